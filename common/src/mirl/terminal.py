"""Terminals that cannot show every sign, or that nobody reads any more: neither is a reason to fail."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TextIO

PLAIN = {
    "±": "+-", "…": "...", "–": "-", "—": "-", "−": "-", "─": "-", "━": "-", "╸": "-", "╺": "-", "×": "x", "µ": "u",
    "μ": "u", "→": "->", "≥": ">=", "≤": "<=", "’": "'", "‘": "'", "“": '"', "”": '"', "·": "-", "•": "-", "°": "",
}  # fmt: skip
HANDLER = "mirl-plain"


def plain(error: UnicodeError) -> tuple[str, int]:
    """What stands in for signs that a terminal cannot show; '?' for those that are like no other."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


def speak_plainly() -> None:
    """From here on, printing never fails for a sign that the terminal's encoding lacks."""
    codecs.register_error(HANDLER, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def let_go(stream: TextIO) -> None:
    """Deliver what a stream still holds, or drop it where nobody reads it any more or its disk is full.

    Else Python tries once more as it ends, and makes 120 of any exit code.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def end(name: str, complaint: str, code: int) -> int:
    """The exit code of a command line that ends with a complaint, in one line where anybody reads it."""
    let_go(sys.stdout)
    if complaint:
        with contextlib.suppress(OSError):
            print(f"{name}: {complaint}", file=sys.stderr)
    let_go(sys.stderr)
    return code
