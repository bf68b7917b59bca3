"""attempt-<n>.log: everything that one try of a run printed."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TextIO

from mirl.terminal import let_go

LOG_IS_KEPT = "MIRL_ATTEMPT_LOG"
"""Set by a runner that writes the log itself, by redirecting the whole process."""
LOG = re.compile(r"attempt-(\d+)\.log")
LONGEST_LINE = 2000
"""Bytes of a log's end that are looked at."""


class Tee:
    """A text stream that also writes to a log. Neither a lost terminal nor a full disk under the log ends a run."""

    def __init__(self, terminal: TextIO, log: IO[bytes] | None) -> None:
        """`log` is unbuffered; None where the terminal is the log already."""
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        if self.log and not text.startswith("\r"):  # a line that is rewritten in place is for the eye
            with contextlib.suppress(OSError):
                self.log.write(text.encode(errors="backslashreplace"))
        with contextlib.suppress(OSError):
            self.terminal.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.terminal.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def next_attempt_log(directory: Path) -> Path:
    """The first `attempt-<n>.log` that does not exist yet."""
    number = 1
    while (path := directory / f"attempt-{number}.log").exists():
        number += 1
    return path


def last_words(directory: Path) -> str:
    """The last line of a run directory's newest attempt log; '' where nothing was said."""
    numbered = {int(found[1]): path for path in directory.glob("attempt-*.log") if (found := LOG.fullmatch(path.name))}
    if not numbered:
        return ""
    with numbered[max(numbered)].open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - LONGEST_LINE))
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextlib.contextmanager
def attempt_log(directory: Path) -> Iterator[None]:
    """Copy stdout, stderr and the traces of crashes in native code into the next attempt's log."""
    stdout, stderr = sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        log = None
        if LOG_IS_KEPT not in os.environ:
            log = stack.enter_context(next_attempt_log(directory).open("ab", buffering=0))
        faulthandler.enable(file=log or stderr)
        sys.stdout, sys.stderr = Tee(stdout, log), Tee(stderr, log)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = stdout, stderr
            for stream in (stdout, stderr):
                let_go(stream)
            faulthandler.disable()
