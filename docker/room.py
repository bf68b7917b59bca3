"""How full a build made the disks: a tool that meets a full one may say `read/write on closed pipe` alone."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable

from tools import run

PERIOD = 0.5
"""Seconds between two looks."""
GIB = 2**30
STORES = {"docker": "{{.DockerRootDir}}", "podman": "{{.Store.GraphRoot}}", "buildah": "{{.store.GraphRoot}}"}
"""Where a tool keeps its layers, as its `info --format` is asked for it."""


class Room:
    """The free space of some folders' disks, watched while a block lasts."""

    def __init__(self, folders: Iterable[str]) -> None:
        self.at_first = {one: shutil.disk_usage(one).free for one in folders if os.path.isdir(one)}
        self.least = dict(self.at_first)
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Room:
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._watch.join()

    def _look_on(self) -> None:
        while not self._ended.wait(PERIOD):
            self.least = {one: min(least, shutil.disk_usage(one).free) for one, least in self.least.items()}

    @property
    def taken(self) -> float:
        """GiB of disk that were taken at most, by this and whatever ran beside it."""
        return max((self.at_first[one] - self.least[one] for one in self.least), default=0) / GIB

    def describe(self) -> str:
        """What was left at worst, where it was least."""
        if not self.least:
            return "where it builds is not a folder of this host"
        folder = min(self.least, key=self.least.__getitem__)
        return f"{self.least[folder] / GIB:.1f} GiB of disk were left at {folder} at worst"


def of_a_build(tool: str) -> Room:
    """The room where a tool keeps its layers, and where it writes each of them first."""
    store = run(tool, "info", "--format", STORES[tool]).stdout.strip()
    return Room((store, os.environ.get("TMPDIR") or "/var/tmp"))
