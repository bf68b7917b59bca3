"""A command in this process, watched: what it printed, how it ended, and whether it hung."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

LIMIT_S = 10.0
"""Longer than any command takes on damaged input, in seconds of processor time."""
PATIENCE_S = 120.0
"""Of wall time, on a host that is busy with other things: a command that waits for ever takes no processor time."""


class Hung(BaseException):
    """PATIENCE_S is over. No `except Exception` of a command may catch it."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    escaped: str
    """The traceback of what got out of it, '' where nothing did."""
    seconds: float

    @property
    def fault(self) -> str:
        """What no command may do with any input; '' where it behaved."""
        if self.escaped:
            return self.escaped
        if "Traceback (most recent call last)" in self.out + self.err:
            return f"it printed a traceback:\n{self.out}{self.err}"
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}: {self.err}"
        if self.code == 2 and len(self.err.strip().splitlines()) != 1:
            return f"exit code 2 with other than one line:\n{self.err}"
        return f"took {self.seconds:.0f} s of processor time" if self.seconds > LIMIT_S else ""


def watch(command: Callable[[], int], folder: Path) -> Outcome:
    """Run a command inside `folder`."""
    began = time.process_time()
    code, escaped = 0, ""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), limit():
                code = command()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            escaped = traceback.format_exc()
        seconds = time.process_time() - began
        for stream in (out, err):
            stream.seek(0)
        return Outcome(code, out.read(), err.read(), escaped, seconds)


@contextlib.contextmanager
def limit() -> Iterator[None]:
    """Raises Hung inside after PATIENCE_S, and gives the environment back as it was."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Hung(f"more than {PATIENCE_S:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    environment = dict(os.environ)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.environ.clear()
        os.environ.update(environment)
