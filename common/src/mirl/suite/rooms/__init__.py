"""`mirl new`: a room for one more paper, which works as it is.

What is written is the template beside this file: a small repository of its own, with the placeholder `newpaper` for the
name. Its lock comes from a paper whose lock holds the same packages: see locking.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mirl.config import ConfigError
from mirl.files import write_atomically
from mirl.suite import experiments as registry
from mirl.suite.rooms import locking, names, places
from mirl.suite.rooms.places import PLACEHOLDER, TEMPLATE

PAPER = f"papers/{PLACEHOLDER}"
TABLES = ("results/reference", "results/regression")
"""Folders of the template whose files lie beside those of other papers."""


def write(root: Path, name: str) -> tuple[list[Path], list[Path]]:
    """Write the room of a paper, all of it or nothing; returns the files that are new and those that were changed.

    Raises ConfigError, with nothing written, for a name that cannot be one, for a paper that is there or half there,
    where a file that has to name the paper is not as expected or has changes that git does not have, and where no
    paper's lock holds the packages of the template.
    """
    names.refuse(root, name)
    changed = places.changed(root, name)
    places.refuse_uncommitted(root, list(changed))
    locked = locking.lock_for(root, read(f"{PAPER}/pyproject.toml"))
    with draft(root, name) as folder:
        for path, text in rendered(name):
            put(folder / path, text)
        for file, text in locked.items():
            put(folder / "papers" / name / file, text)
        sort_imports(folder / "papers" / name, name)
        check_registration(folder, name, changed["reproduce.yaml"])
        new = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        move_in(root, folder, name, [root / path for path in new], changed)
    return new, sorted(map(Path, changed))


def read(path: str) -> str:
    return (TEMPLATE / path).read_text(encoding="utf-8")


def rendered(name: str) -> Iterator[tuple[str, str]]:
    """Path in the repository and text of every file of the template that becomes one of the room's."""
    for place in (PAPER, *TABLES):
        for path in sorted((TEMPLATE / place).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                inner = path.relative_to(TEMPLATE).as_posix()
                yield inner.replace(PLACEHOLDER, name), read(inner).replace(PLACEHOLDER, name)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@contextmanager
def draft(root: Path, name: str) -> Iterator[Path]:
    """A folder beside the papers, so that what was written there is moved and not copied; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root / "papers"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sort_imports(folder: Path, name: str) -> None:
    """Put imports where the name has them, and lines where they fit: another name sorts and breaks otherwise."""
    own = f"lint.isort.known-first-party = ['mirl', '{name}']"
    for words in (["check", "--select", "I", "--fix", "--config", own], ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", words[0], "--quiet", "--no-cache", *words[1:], str(folder)],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            said = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
            raise ConfigError(f"ruff {words[0]} fails on the new room: {''.join(said)}")


def check_registration(folder: Path, name: str, text: str) -> None:
    """Raises ConfigError unless reproduce.yaml can be read with the new paper in it."""
    path = folder / "reproduce.yaml"
    path.write_text(text, encoding="utf-8")
    known = registry.load(path).papers
    path.unlink()
    if name not in known:
        raise ConfigError("reproduce.yaml does not end with its papers, so that none can be added to its end")


def move_in(root: Path, folder: Path, name: str, new: list[Path], changed: Mapping[str, str]) -> None:
    """Move the draft to its place and rewrite the changed files, the registration last; any failure undoes it all."""
    room = root / "papers" / name
    before = {path: (root / path).read_bytes() for path in changed}
    try:
        (folder / "papers" / name).rename(room)
        for path in new:
            if not path.is_relative_to(room):
                path.parent.mkdir(parents=True, exist_ok=True)
                (folder / path.relative_to(root)).rename(path)
        for file, text in changed.items():
            rewrite(root / file, text)
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        for path in new:
            path.unlink(missing_ok=True)
        for file, content in before.items():
            if (root / file).read_bytes() != content:
                rewrite(root / file, content)
        raise


def rewrite(path: Path, content: str | bytes) -> None:
    """Write a file anew, as executable as it was."""
    mode = path.stat().st_mode
    write_atomically(path, content)
    path.chmod(mode)
