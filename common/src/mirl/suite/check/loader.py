"""Reads a results tree into plain objects. Whatever cannot be read is kept as a fault for the checks to name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from mirl.config import ConfigError
from mirl.exhibits import POLICY
from mirl.folder import says_finished
from mirl.suite.manifests import TABLES, DamagedRunError, parse_manifest, read_bytes, read_record, table_file
from mirl.suite.record_tables import parse_table
from mirl.suite.records import (
    FIRST_SUFFIX,
    SEEDS_SUFFIX,
    STATED_SUFFIX,
    AnyRow,
    Band,
    FirstValue,
    Manifest,
    Reference,
    ReportedSeed,
    Stated,
    Summary,
)
from mirl.suite.selection import RunSpec

RUN_PARTS: tuple[Literal["runs"], Literal["published"]] = ("runs", "published")
PARTS = (*RUN_PARTS, "reference", "regression")
TEXT_SUFFIXES = (".json", ".csv", ".gz", ".md", ".txt", ".yaml")


@dataclass(frozen=True, eq=False)
class RunFolder:
    """One run directory, of `runs`, of `published`, or alone. It is read once: two objects are two readings."""

    path: Path
    place: Literal["runs", "published", "alone"]
    spec: RunSpec | None
    """What its place in the tree says that it is; None for a folder alone."""
    spec_fault: str = ""

    @cached_property
    def raw(self) -> dict[str, Any]:
        """manifest.json as it stands; empty where absent or unreadable."""
        return self._manifest[0]

    @cached_property
    def manifest(self) -> Manifest | None:
        """manifest.json, where it keeps the schema."""
        return self._manifest[1]

    @cached_property
    def manifest_fault(self) -> str:
        """Why there is no manifest although there is a file."""
        return self._manifest[2]

    @cached_property
    def _manifest(self) -> tuple[dict[str, Any], Manifest | None, str]:
        if not (self.path / "manifest.json").exists():
            return {}, None, ""
        try:
            return *parse_manifest(self.path), ""
        except DamagedRunError as damage:
            return {}, None, damage.fault

    @cached_property
    def record_fault(self) -> str:
        """What is wrong with run.json; '' where nothing is or where there is none."""
        try:
            read_record(self.path)
        except DamagedRunError as damage:
            return damage.fault
        return ""

    @cached_property
    def tables(self) -> Mapping[str, bytes]:
        """The bytes of metrics.csv and episodes.csv, unpacked where gzipped; absent or damaged ones are left out."""
        contents = {name: unpack(self.path, name) for name in TABLES}
        return {name: content for name, content in contents.items() if content is not None}

    def text(self, name: str) -> str | None:
        """A table as text, None where it is absent."""
        content = self.tables.get(name)
        return None if content is None else content.decode("utf-8", errors="replace")

    @property
    def is_finished(self) -> bool:
        """Whether there is a manifest, which may have faults, but is not torn."""
        return says_finished(self.path)


@dataclass(frozen=True)
class CsvTable:
    """A table of references, bands, first values or published summaries."""

    path: Path
    paper: str
    kind: type[AnyRow]

    @cached_property
    def text(self) -> str:
        """The file as it stands."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    @property
    def rows(self) -> list[AnyRow]:
        """The rows that can be read."""
        return self._parsed[0]

    @property
    def faults(self) -> list[str]:
        """Why the other rows cannot be read."""
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[list[AnyRow], list[str]]:
        return parse_table(self.text, self.kind)


@dataclass(frozen=True)
class PublishedText:
    """Any file that goes into git and so to everybody."""

    path: Path
    text: str


@dataclass(frozen=True)
class VerdictFile:
    """verdict.json of a paper and a budget."""

    path: Path


@dataclass(frozen=True)
class DescribedPaper:
    """What a registered paper says of itself."""

    path: Path
    paper: str
    said: Mapping[str, Any] = field(default_factory=dict)
    """`describe --json`; empty where it could not be asked."""
    fault: str = ""
    """Why it gave no answer."""
    not_set_up: str = ""
    """Why it was not asked."""


@dataclass(frozen=True)
class Tree:
    """What was found under a path."""

    runs: list[RunFolder] = field(default_factory=list)
    tables: list[CsvTable] = field(default_factory=list)
    texts: list[PublishedText] = field(default_factory=list)
    verdicts: list[VerdictFile] = field(default_factory=list)
    papers: list[DescribedPaper] = field(default_factory=list)

    def subjects(self) -> Iterator[RunFolder | CsvTable | PublishedText | VerdictFile | DescribedPaper]:
        yield from self.papers
        yield from self.runs
        yield from self.tables
        yield from self.verdicts
        yield from self.texts

    @property
    def census(self) -> str:
        """'12 run directories, 3 tables, 1 verdict'."""
        counts = (
            ("run director", "y", "ies", self.runs),
            ("table", "", "s", self.tables),
            ("verdict", "", "s", self.verdicts),
        )
        return ", ".join(f"{len(found)} {stem}{one if len(found) == 1 else more}" for stem, one, more, found in counts)


def load(path: Path) -> Tree:
    """A results folder, one of its parts, or one run directory; raises ConfigError for anything else."""
    path = path.resolve()
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder")
    parts = {part: path / part for part in PARTS if (path / part).is_dir()}
    if not parts and path.name in PARTS:
        parts = {path.name: path}
    if parts:
        return load_parts(parts)
    if any((path / name).exists() for name in ("manifest.json", "run.json", "metrics.csv", "metrics.csv.gz")):
        return Tree(runs=[run_alone(path)])
    raise ConfigError(f"{path} is neither a results folder (with {', '.join(PARTS)}) nor a run directory")


def load_parts(parts: Mapping[str, Path]) -> Tree:
    tree = Tree()
    for part in RUN_PARTS:
        if part in parts:
            folders = sorted(
                path for path in parts[part].rglob("seed*") if path.is_dir() and ".aside-" not in path.name
            )
            tree.runs.extend(run_folder(path, part, parts[part]) for path in folders)
    if "runs" in parts:
        tree.verdicts.extend(VerdictFile(path) for path in sorted(parts["runs"].glob("*/*/verdict.json")))
    for name, pattern in (("reference", "*.csv"), ("regression", "*.csv"), ("published", "*/summary.csv")):
        if name in parts:
            tree.tables.extend(csv_table(name, path) for path in sorted(parts[name].glob(pattern)))
            tree.texts.extend(published_texts(parts[name]))
    return tree


def csv_table(part: str, path: Path) -> CsvTable:
    """A table of a part of the tree; its name says of which paper and, of regression, which kind it is."""
    if part == "published":
        return CsvTable(path, path.parent.name, Summary)
    kinds: dict[str, type[AnyRow]]
    kinds = {FIRST_SUFFIX: FirstValue} if part == "regression" else {SEEDS_SUFFIX: ReportedSeed, STATED_SUFFIX: Stated}
    for suffix, kind in kinds.items():
        if path.stem.endswith(suffix):
            return CsvTable(path, path.stem.removesuffix(suffix), kind)
    return CsvTable(path, path.stem, Band if part == "regression" else Reference)


def run_alone(path: Path) -> RunFolder:
    """A run directory by itself; where it lies in a results tree all the same, it is held to its place there."""
    for part in RUN_PARTS:
        if len(path.parts) > 6 and path.parts[-6] == part:
            return run_folder(path, part, path.parents[4])
    return RunFolder(path, "alone", None)


def run_folder(path: Path, part: Literal["runs", "published"], top: Path) -> RunFolder:
    """A folder and, from its place under `top`, what run it must be."""
    inner = path.relative_to(top).parts
    order = "<budget>/<paper>"
    if part == "published":
        inner, order = (*inner[1:2], *inner[:1], *inner[2:]), "<paper>/<budget>"
    try:
        return RunFolder(path, part, RunSpec.parse("/".join(inner)))
    except (ConfigError, ValidationError):
        fault = f"must lie at {part}/{order}/<task>/<method[@variant]>/seed<k>"
        return RunFolder(path, part, None, fault)


def unpack(folder: Path, name: str) -> bytes | None:
    """The content of a table, plain or from its archive; None where it is absent or damaged."""
    file = table_file(folder, name)
    try:
        return None if file is None else read_bytes(file)
    except DamagedRunError:
        return None


def published_texts(folder: Path) -> Iterator[PublishedText]:
    for path in sorted(folder.rglob("*")):
        is_text = path.suffix in TEXT_SUFFIXES and not (path.parent.name == POLICY.name and path.suffix == ".gz")
        if path.is_file() and is_text:
            try:
                content = read_bytes(path)
            except DamagedRunError:  # published-small says it
                content = b""
            yield PublishedText(path, content.decode("utf-8", errors="replace"))
