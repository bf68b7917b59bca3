"""Only one `mirl reproduce` at a time drives a results folder: a dead one's lock is taken over, a live one stays."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from mirl.config import ConfigError
from mirl.files import write_json

HEARTBEAT_S = 10.0
SILENT_S = 60.0
"""A driver on another host that has not renewed its lock for so long counts as dead."""


@contextlib.contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold `folder`. Raises ConfigError while another driver lives; the lock of one that died is taken over."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".driver.json"
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    with (folder / ".driver.guard").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two newcomers must not clear and take the same dead lock
        if (owner := read_owner(path)) and is_alive(owner, path):
            raise ConfigError(
                f"{folder} is driven by another mirl reproduce (process {owner['pid']} on {owner['host']}); "
                "wait for it, or end it"
            )
        write_json(path, me)
    ended = threading.Event()
    heart = threading.Thread(target=beat, args=(path, ended), daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        if read_owner(path) == me:  # else this host slept for so long that another one took over
            path.unlink(missing_ok=True)


def read_owner(path: Path) -> dict[str, Any] | None:
    """Who holds the lock; None where nobody does, or where the file is torn."""
    try:
        owner: dict[str, Any] = json.loads(path.read_text())
        return owner if {"host", "pid", "started"} <= set(owner) else None
    except (OSError, ValueError, TypeError):
        return None


def is_alive(owner: dict[str, Any], path: Path) -> bool:
    """By process id and start time on this host, by the age of the heartbeat elsewhere."""
    if owner["host"] == socket.gethostname():
        try:
            process = psutil.Process(owner["pid"])
            is_it = abs(process.create_time() - owner["started"]) < 1.0
            return is_it and process.status() != psutil.STATUS_ZOMBIE  # dead, and not yet reaped by its parent
        except psutil.NoSuchProcess:
            return False
    try:
        return time.time() - path.stat().st_mtime < SILENT_S
    except FileNotFoundError:
        return False


def beat(path: Path, ended: threading.Event) -> None:
    """Renew the lock's time until `ended`."""
    while not ended.wait(HEARTBEAT_S):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
