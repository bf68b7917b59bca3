"""No process of ours outlives the one that started it: an orphan would keep writing, and keep its GPU."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1


def stop_with_parent(parent: int | None = None) -> None:
    """Ask the kernel for SIGTERM when this process's parent dies; a trainer then saves its checkpoint and ends.

    `parent` is its process id, where it is known: one that died before the kernel was asked is noticed all the same.
    """
    signal_with_parent(signal.SIGTERM, parent)


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel for SIGKILL when this process's parent dies; for the engine, which has nothing to save."""
    signal_with_parent(signal.SIGKILL, parent)


def signal_with_parent(number: int, parent: int | None) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)


def wait_for_group(leader: subprocess.Popen[bytes]) -> int:
    """Wait for a process that leads a group of its own, then kill what it left behind there; returns its exit code.

    It is killed before its leader is reaped: until then no other group can have its number.
    """
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)
    return leader.wait()
