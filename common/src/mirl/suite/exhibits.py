"""Policies and films of published runs: written by the paper's own program, kept beside the run's tables."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mirl.config import ConfigError
from mirl.exhibits import FILM, Exhibit, fault_of, size_of
from mirl.files import read_json
from mirl.suite import venvs
from mirl.suite.manifests import DamagedRunError, read_manifest
from mirl.suite.results import published_directory
from mirl.suite.runner import paper_python
from mirl.suite.selection import RunSpec


class Kept(NamedTuple):
    """What came of it."""

    renewed: bool
    words: str
    """What is there now, and why nothing new is."""


def keep(root: Path, spec: RunSpec, exhibit: Exhibit, directory: Path, words: Sequence[str] = ()) -> Kept:
    """Put what the paper writes of a run `directory` beside the published tables.

    An older one stays where nothing new is to be had, as long as it is that of the run which is published now.
    `words`: further ones for the paper's command.
    """
    target = published_directory(root, spec) / exhibit.name
    with tempfile.TemporaryDirectory(prefix="mirl-exhibit-") as folder:
        draft = Path(folder) / exhibit.name
        lack = write_draft(root, spec, exhibit, directory, draft, words)
        if lack and target.is_dir() and not fault_of(exhibit, target, read_manifest(target.parent, spec)):
            return Kept(False, f"the {exhibit.name} that was there ({lack})")
        shutil.rmtree(target, ignore_errors=True)
        if lack:
            return Kept(False, f"no {exhibit.name} ({lack})")
        shutil.copytree(draft, target)
    steps = read_json(target / exhibit.facts)["env_step"]
    return Kept(True, f"{exhibit.name} after {steps:,} env steps, {size_of(target):,} bytes")


def write_draft(root: Path, spec: RunSpec, exhibit: Exhibit, directory: Path, draft: Path, words: Sequence[str]) -> str:
    """Let the paper write an exhibit; returns why there is none, '' where there is."""
    try:
        python = paper_python(root, spec.paper)
    except ConfigError as error:
        return str(error)
    command = [str(python), "-m", spec.paper, exhibit.name, "--run-dir", str(directory), "--out", str(draft), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=venvs.clean_environment()
    )
    if done.returncode != 0:
        return done.stderr.strip().rpartition("\n")[2]
    size, most = size_of(draft), exhibit.largest_bytes
    return f"{size:,} bytes, {most:,} are kept at most" if size > most else ""


@dataclass(frozen=True)
class PublishedFilm:
    """A film beside a published run, and its words."""

    moving: Path
    still: Path
    caption: str
    alternative: str


def published_film(published: Path, manifest: Mapping[str, Any]) -> PublishedFilm | None:
    """The film of a published run; None where it has none. Raises DamagedRunError where nothing vouches for it."""
    folder = published / FILM.name
    if not folder.is_dir():
        return None
    if fault := fault_of(FILM, folder, manifest):
        raise DamagedRunError(folder, f"is no evidence: {fault}")
    facts = read_json(folder / FILM.facts)
    moving, still = (folder / name for name in FILM.holds)
    return PublishedFilm(moving, still, facts["caption"], facts["alternative"])


def film_damages(root: Path, specs: Iterable[RunSpec]) -> list[DamagedRunError]:
    """The films that nothing vouches for, of whole runs alone: damaged ones are named as such."""
    found = []
    for spec in specs:
        directory = published_directory(root, spec)
        with contextlib.suppress(DamagedRunError):
            manifest = read_manifest(directory, spec)
            try:
                published_film(directory, manifest)
            except DamagedRunError as damage:
                found.append(damage)
    return found
