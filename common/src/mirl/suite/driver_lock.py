"""Only one `mirl reproduce` at a time drives a results folder; a dead one's lock is cleared, a live one's respected."""

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
def driver_lock(folder: Path) -> Iterator[bool]:
    """Hold `folder`; yields True where a dead driver's lock was cleared. Raises ConfigError while another one lives."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".driver.json"
    me = psutil.Process()
    with (folder / ".driver.guard").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two newcomers must not clear and take the same dead lock
        cleared = path.exists()
        if (owner := read_owner(path)) and is_alive(owner, path):
            raise ConfigError(
                f"{folder} is driven by another mirl reproduce (process {owner['pid']} on {owner['host']}); "
                "wait for it, or end it"
            )
        write_json(path, {"host": socket.gethostname(), "pid": me.pid, "started": me.create_time()})
    ended = threading.Event()
    heart = threading.Thread(target=beat, args=(path, ended), daemon=True)
    heart.start()
    try:
        yield cleared
    finally:
        ended.set()
        heart.join()
        path.unlink(missing_ok=True)


def read_owner(path: Path) -> dict[str, Any] | None:
    try:
        owner: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return owner


def is_alive(owner: dict[str, Any], path: Path) -> bool:
    """By process id and start time on this host, by the age of the heartbeat elsewhere."""
    if owner["host"] == socket.gethostname():
        try:
            return bool(abs(psutil.Process(owner["pid"]).create_time() - owner["started"]) < 1.0)
        except psutil.NoSuchProcess:
            return False
    try:
        return time.time() - path.stat().st_mtime < SILENT_S
    except FileNotFoundError:
        return False


def beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
