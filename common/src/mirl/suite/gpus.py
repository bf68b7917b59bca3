"""One run, one GPU: a free card is taken by a lock file that the kernel lets go of when its owner ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def count() -> int:
    """How many GPUs the driver shows; 0 without one."""
    smi = shutil.which("nvidia-smi")
    if not smi:
        return 0
    done = subprocess.run([smi, "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines()) if done.returncode == 0 else 0


@contextlib.contextmanager
def taken(poll_s: float = 1.0) -> Iterator[dict[str, str]]:
    """Environment variables that give a run its GPU: CUDA_VISIBLE_DEVICES of a free one.

    Empty where a scheduler has chosen already, or where there is none. Waits while all are taken.
    """
    cards = 0 if "CUDA_VISIBLE_DEVICES" in os.environ else count()
    if not cards:
        yield {}
        return
    folder = Path(tempfile.gettempdir()) / f"mirl-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for card in range(cards):
            with (folder / f"{card}.lock").open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield {"CUDA_VISIBLE_DEVICES": str(card)}
                return
        time.sleep(poll_s)
