"""No process of ours outlives the one that started it: an orphan would keep writing, and keep its GPU."""

from __future__ import annotations

import ctypes
import signal

PR_SET_PDEATHSIG = 1


def stop_with_parent() -> None:
    """Ask the kernel for SIGTERM when this process's parent dies; a trainer then saves its checkpoint and ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when this process's parent dies; for the engine, which has nothing to save."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
