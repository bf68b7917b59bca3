"""Terminals that cannot show every sign: they get the nearest plain ones, and no command ends in an encoding error."""

from __future__ import annotations

import codecs
import io
import sys

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
