"""One run, one GPU, or a stated share of one: a lock that the kernel lets go of when all who hold it have ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mirl import cards
from mirl.cards import Card
from mirl.config import ConfigError

UNITS = 2520
"""A card's lock file is locked by ranges of bytes, a share of a card being a share of these: halves and thirds of one
card exclude each other wherever they overlap. Every number up to MOST_RUNS_A_GPU divides it. The bytes of a share say
who holds it."""
MOST_RUNS_A_GPU = 10
PLACE = Path("/tmp")
"""Where locks lie, whatever TMPDIR says: two shells must find the same ones."""


@dataclass(frozen=True)
class Share:
    """A GPU, or a part of it, for one run."""

    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the trainer; empty where a scheduler has chosen already, or where there is no GPU."""
    locks: tuple[int, ...] = ()
    """File descriptors that the trainer inherits: the card stays taken for as long as it lives, whoever dies before."""


def visible() -> list[Card]:
    """The cards that runs may use here: what the driver shows and CUDA_VISIBLE_DEVICES leaves of it."""
    return cards.visible_cards(cards.all_cards())


def count() -> int:
    """How many GPUs runs may use here; 0 without a driver."""
    return len(visible())


@contextlib.contextmanager
def taken(runs_a_gpu: int = 1, who: str = "", poll_s: float = 1.0) -> Iterator[Share]:
    """A free GPU, or a free share of one where `runs_a_gpu` may run on each. Waits while all are taken.

    Empty where there is none. `who` is told to those that wait. The locks are this user's; those of another user are
    not seen.
    """
    mine = visible()
    if not mine:
        yield Share()
        return
    files = {card: lock_file(card) for card in mine}
    shares = [(part, card) for part in range(runs_a_gpu) for card in mine]  # every card once, before any twice
    is_told = False
    while True:
        for part, card in shares:
            descriptor = os.open(files[card], os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if lock_part(descriptor, part, runs_a_gpu):
                    sign(descriptor, part, runs_a_gpu, f"process {os.getpid()}{f' ({who})' if who else ''}")
                    yield Share(environment_of(card, runs_a_gpu), (descriptor,))
                    return
            finally:
                os.close(descriptor)
        if not is_told:
            held = [f"{card.uuid} is held by {' and '.join(holders(card)) or 'somebody'}" for card in mine]
            print(f"mirl: {who or 'this run'} waits for a GPU: {'; '.join(held)}", file=sys.stderr, flush=True)
            is_told = True
        time.sleep(poll_s)


def lock_file(card: Card) -> Path:
    """A card's lock, in a folder of this user alone. Raises ConfigError where somebody else made that folder."""
    folder = PLACE / f"mirl-gpus-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    seen = folder.lstat()
    if seen.st_uid != os.getuid() or not stat.S_ISDIR(seen.st_mode):
        raise ConfigError(f"{folder} is not a folder of user {os.getuid()}; it holds the locks of GPUs: remove it")
    return folder / f"{card.uuid.replace('/', '-')}.lock"


def lock_part(descriptor: int, part: int, parts: int) -> bool:
    """Take one of `parts` equal parts of a card; False where somebody holds any of it.

    The lock belongs to the open file, not to the process (F_OFD_SETLK): whoever inherits the descriptor holds it too.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, flock(part * (UNITS // parts), UNITS // parts))
    except (BlockingIOError, PermissionError):
        return False
    return True


def flock(start: int, length: int) -> bytes:
    """The kernel's `struct flock` for writing a range of bytes."""
    return struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)


def sign(descriptor: int, part: int, parts: int, who: str) -> None:
    """Write into a share's own bytes who holds it."""
    size = UNITS // parts
    os.pwrite(descriptor, who.encode()[: size - 1].ljust(size, b"\0"), part * size)


def holders(card: Card) -> list[str]:
    """Who holds shares of a card now, in the words that they left; what nobody holds any more is not told."""
    descriptor = os.open(lock_file(card), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        names = list(re.finditer(rb"[^\0]+", os.pread(descriptor, UNITS, 0)))
        return [name[0].decode(errors="replace") for name in names if is_locked(descriptor, name.start())]
    finally:
        os.close(descriptor)


def is_locked(descriptor: int, start: int) -> bool:
    """Whether another open file holds this byte."""
    kind, *_ = struct.unpack("hhqqi", fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, flock(start, 1)))
    return bool(kind != fcntl.F_UNLCK)


def environment_of(card: Card, runs_a_gpu: int) -> dict[str, str]:
    """The card, and that TensorFlow must not take all of its memory at once where others run on it too."""
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if runs_a_gpu > 1 else {}
    return {cards.VISIBLE: card.uuid, **shared}
