"""attempt-<n>.log: everything that one try of a run printed."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

LOG_IS_KEPT = "MIRL_ATTEMPT_LOG"
"""Set by a runner that writes the log itself, by redirecting the whole process."""


class Tee:
    """A text stream that also writes to a log."""

    def __init__(self, terminal: TextIO, log: IO[str]) -> None:
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        self.log.write(text)
        self.log.flush()
        return self.terminal.write(text)

    def flush(self) -> None:
        self.terminal.flush()

    def isatty(self) -> bool:
        return self.terminal.isatty()


def next_attempt_log(directory: Path) -> Path:
    """The first `attempt-<n>.log` that does not exist yet."""
    number = 1
    while (path := directory / f"attempt-{number}.log").exists():
        number += 1
    return path


@contextlib.contextmanager
def attempt_log(directory: Path) -> Iterator[None]:
    """Copy stdout, stderr and the traces of crashes in native code into the next attempt's log."""
    if LOG_IS_KEPT in os.environ:
        faulthandler.enable()
        yield
        return
    stdout, stderr = sys.stdout, sys.stderr
    with next_attempt_log(directory).open("a", encoding="utf-8") as log:
        faulthandler.enable(file=log)
        sys.stdout, sys.stderr = Tee(stdout, log), Tee(stderr, log)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = stdout, stderr
            faulthandler.disable()
