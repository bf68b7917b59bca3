"""One run, one GPU, or a stated share of one: a lock that the kernel lets go of when all who hold it have ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

UNITS = 2520
"""A card's lock file is locked by ranges of bytes, a share of a card being a share of these: halves and thirds of one
card exclude each other wherever they overlap. Every number up to MOST_RUNS_A_GPU divides it."""
MOST_RUNS_A_GPU = 10


@dataclass(frozen=True)
class Share:
    """A GPU, or a part of it, for one run."""

    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the trainer; empty where a scheduler has chosen already, or where there is no GPU."""
    locks: tuple[int, ...] = ()
    """File descriptors that the trainer inherits: the card stays taken for as long as it lives, whoever dies before."""


def visible() -> dict[str, str]:
    """The GPUs that a run may use, as CUDA_VISIBLE_DEVICES names them, each with the name of its lock.

    All that the driver shows, or those of them that CUDA_VISIBLE_DEVICES names.
    """
    smi = shutil.which("nvidia-smi")
    listed = subprocess.run([smi, "-L"], capture_output=True, text=True).stdout if smi else ""
    cards = dict(re.findall(r"^GPU (\d+): .*\(UUID: ([^)]+)\)", listed, flags=re.MULTILINE))
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not cards:
        return cards
    return {name: cards.get(name, name) for name in filter(None, map(str.strip, chosen.split(",")))}


def count() -> int:
    """How many GPUs runs may use here; 0 without a driver."""
    return len(visible())


@contextlib.contextmanager
def taken(runs_a_gpu: int = 1, poll_s: float = 1.0) -> Iterator[Share]:
    """A free GPU, or a free share of one where `runs_a_gpu` may run on each. Waits while all are taken.

    Empty where there is none. The locks are this user's; those of another user are
    not seen.
    """
    cards = visible()
    if not cards:
        yield Share()
        return
    folder = Path(tempfile.gettempdir()) / f"mirl-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    shares = [(part, name) for part in range(runs_a_gpu) for name in cards]  # every card once, before any twice
    while True:
        for part, name in shares:
            with (folder / f"{cards[name].replace('/', '-')}.lock").open("a") as lock:
                if lock_part(lock.fileno(), part, runs_a_gpu):
                    yield Share(environment_of(name, runs_a_gpu), (lock.fileno(),))
                    return
        time.sleep(poll_s)


def lock_part(descriptor: int, part: int, parts: int) -> bool:
    """Take one of `parts` equal parts of a card; False where somebody holds any of it.

    The lock belongs to the open file, not to the process (F_OFD_SETLK): whoever inherits the descriptor holds it too.
    """
    size = UNITS // parts
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, part * size, size, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):
        return False
    return True


def environment_of(name: str, runs_a_gpu: int) -> dict[str, str]:
    """The card, and that TensorFlow must not take all of its memory at once where others run on it too."""
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if runs_a_gpu > 1 else {}
    return {"CUDA_VISIBLE_DEVICES": name, **shared}
