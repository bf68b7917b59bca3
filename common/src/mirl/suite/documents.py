"""`mirl documents`: renews the tables in Markdown files that a command makes.

A table stands between `<!-- mirl findings --paper mime -->` and `<!-- end -->`: the first line is the command.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

from mirl.config import ConfigError
from mirl.files import write_atomically

BLOCK = re.compile(r"(?P<head><!-- mirl (?P<words>[^\n]+?) -->\n)(?P<content>.*?)(?P<end><!-- end -->)", re.DOTALL)
PLACES = ("*.md", "docs/*.md", "papers/*/README.md")
COMMANDS = ("findings", "list", "gpu")
"""Those that a document may name: they read and write nothing."""
CommandLine = Callable[[list[str]], object]
"""Runs `mirl` with these words, in this process."""


def changed(root: Path, mirl: CommandLine) -> Iterator[tuple[Path, str]]:
    """The documents whose tables are no longer what their commands print, with their new text."""
    for path in sorted(path for place in PLACES for path in root.glob(place)):
        text = path.read_text(encoding="utf-8")
        renewed = renew(text, path, lambda words: printed(root, mirl, words))
        if renewed != text:
            yield path, renewed


def renew(text: str, path: Path, output_of: Callable[[list[str]], str]) -> str:
    """A document with the tables that `output_of` gives for their commands; raises ConfigError for another command."""

    def block(match: re.Match[str]) -> str:
        try:
            words = shlex.split(match["words"])
        except ValueError as error:
            raise ConfigError(f"{path}: `mirl {match['words']}`: {error}") from None
        if words[0] not in COMMANDS:
            raise ConfigError(
                f"{path} names `mirl {match['words']}`; a document's tables come from {' or '.join(COMMANDS)}"
            )
        return f"{match['head']}\n{output_of(words).strip()}\n\n{match['end']}"

    return BLOCK.sub(block, text)


def printed(root: Path, mirl: CommandLine, words: list[str]) -> str:
    """What the command line prints, in this process."""
    stream = io.StringIO()
    with redirect_stdout(stream):
        mirl([*words, "--root", str(root)])
    return stream.getvalue()


def write(root: Path, mirl: CommandLine) -> list[Path]:
    """Renew what has changed; returns the documents that were written."""
    written = list(changed(root, mirl))
    for path, text in written:
        write_atomically(path, text)
    return [path for path, _ in written]
