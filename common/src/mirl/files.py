"""Files that are whole or absent: atomic writes, hashes and reads that forgive a torn last line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old file or the new one and nothing between."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")  # see clear_drafts
    with naming(path):
        try:
            with draft.open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync(path.parent)


def clear_drafts(folder: Path) -> None:
    """Remove what writers left that were killed in the middle of `write_atomically`; nobody may be writing now."""
    for path in folder.glob(".*.*"):
        if re.fullmatch(r"\..+\.\d+", path.name) and path.is_file():
            path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, indented for people."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Parsed JSON; raises ValueError naming the file where it cannot be parsed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (
        ValueError,
        RecursionError,
        IsADirectoryError,
    ) as error:  # brackets may be nested deeper than Python can follow
        raise ValueError(f"{path} is not valid JSON ({error})") from None


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_of_first(path: Path, length: int) -> hashlib._Hash:
    """sha256 of a file's first `length` bytes, to be updated or told; raises ValueError where it has fewer."""
    content = hashlib.sha256()
    with path.open("rb") as stream:
        while length:
            part = stream.read(min(length, 2**20))
            if not part:
                raise ValueError(f"{path} is shorter")
            content.update(part)
            length -= len(part)
    return content


def sync(path: Path) -> None:
    """Make a file's content, or the renames inside a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def whole_lines(text: str) -> list[str]:
    """The lines of `text` that end in a newline; a line torn by a kill is left out."""
    return text[: text.rfind("\n") + 1].splitlines()


def move_aside(folder: Path) -> Path:
    """Rename `folder` to the first free `<name>.aside-<n>` beside it and return the new path."""
    folder = Path(os.path.abspath(folder))
    number = 1
    while (target := folder.with_name(f"{folder.name}.aside-{number}")).exists():
        number += 1
    folder.rename(target)
    return target


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every OSError inside name `path`: a full disk tells of no file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from None


def describe_os_error(error: OSError) -> str:
    """'cannot use /results/metrics.csv: No space left on device'."""
    place = f"cannot use {error.filename}: " if error.filename else ""
    return place + (error.strerror or str(error))
