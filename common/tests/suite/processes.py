"""The trainers that run now, seen as processes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Trainer:
    """One process that trains."""

    process: psutil.Process
    parent: int
    directory: Path
    environment: dict[str, str]

    @property
    def card(self) -> str:
        return self.environment["CUDA_VISIBLE_DEVICES"]


def trainers(root: Path) -> list[Trainer]:
    """Those of this repository that live at one moment: who ended while we looked is left out.

    So are their children: a trainer that asks git for the revision looks like two for a moment.
    """
    seen: dict[int, Trainer] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if "train" in words and "--run-dir" in words:
                directory = Path(words[words.index("--run-dir") + 1])
                if directory.is_relative_to(root):
                    seen[process.pid] = Trainer(process, process.ppid(), directory, process.environ())
    return [one for one in seen.values() if one.parent not in seen and lives(one.process)]


def lives(process: psutil.Process) -> bool:
    """False of a zombie too."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
