"""`mirl repeat`: a published run, made again from the command in its manifest, and held against it row by row."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mirl.config import ConfigError
from mirl.suite import gpus, venvs
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import DamagedRunError, damage, read_manifest, read_table, set_aside_broken
from mirl.suite.orphans import stop_with_parent
from mirl.suite.results import measured, published_directory
from mirl.suite.runner import paper_python
from mirl.suite.selection import RunSpec
from mirl.verdict.regression import FIRST_FLOOR, FIRST_TOLERANCE

HOST = ("cpu", "platform", "python", "image", "device", "lock_sha256", "versions")
"""What a manifest says of where and with what a run was made; where all of it is the same, so are the rows."""
Row = tuple[int, str, str]
"""Env step, name and value as written."""


@dataclass(frozen=True)
class Repetition:
    """A published run beside its repetition.

    Rows are those of metrics.csv outside time/, and those of episodes.csv, without the metrics that only the repetition
    has: a later version may write more of them.
    """

    rows: int
    """Of the published run."""
    equal: int
    """Rows at the same place with the same bytes."""
    parting: tuple[Row | None, Row | None] | None
    """The first rows that differ, published and repeated; None where one of the two has ended there."""
    first_off: float
    """The largest relative difference at the first recorded env step; infinite where other names stand there."""
    only_here: tuple[str, ...]
    """Metrics that only the repetition has."""
    commit: str
    """Of the published run."""
    other_host: Mapping[str, tuple[Any, Any]]
    """What else the two manifests say of HOST, published and repeated."""
    other_config: Mapping[str, tuple[Any, Any]]
    """The fields of their configs that differ."""

    @property
    def is_equal(self) -> bool:
        """Bit for bit."""
        return self.parting is None

    @property
    def agrees(self) -> bool:
        """Equal, or made with something else and within the tolerance for that (docs/runs.md)."""
        return self.is_equal or (bool(self.other_host) and not self.other_config and self.first_off <= FIRST_TOLERANCE)


def printed_command(published: Path, spec: RunSpec) -> list[str]:
    """`train …` without the run directory, as its manifest holds it; ConfigError where that cannot be run again."""
    found = damage(published, spec)
    if found:
        raise found
    _, _, _, *words = read_manifest(published, spec)["command"]  # python -m PAPER
    files = [word for word in words if word.startswith("<")]
    if files:
        raise ConfigError(f"{spec} was trained with files that are not published: {', '.join(files)}")
    return [word for word in words if word not in ("--run-dir", "DIR", "--run-dir=DIR")]


def run_again(root: Path, experiments: Experiments, spec: RunSpec, directory: Path) -> int:
    """Make a published run again in a directory, where it goes on if it was begun; returns the trainer's exit code.

    Raises ConfigError or DamagedRunError before anything is run.
    """
    words = printed_command(published_directory(root, spec), spec)
    command = [str(paper_python(root, spec.paper)), "-m", spec.paper, *words, "--run-dir", str(directory)]
    if (directory / "run.json").exists() and (told := set_aside_broken(directory)):
        print(f"{spec}: {told}")
    with gpus.taken(1, f"the repetition of {spec}") as share:
        threads = str(experiments.papers[spec.paper].threads)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, pass_fds=share.locks, preexec_fn=partial(stop_with_parent, os.getpid()),
            env={**venvs.clean_environment(), **share.environment, "OMP_NUM_THREADS": threads},
        )  # fmt: skip
    return 128 - done.returncode if done.returncode < 0 else done.returncode


def compare(published: Path, repeated: Path) -> Repetition:
    """Two finished runs. Raises DamagedRunError where one is not what its manifest vouches for."""
    theirs, ours = rows_of(published), rows_of(repeated)
    only_here = {name for _, name, _ in ours} - {name for _, name, _ in theirs}
    ours = [row for row in ours if row[1] not in only_here]
    equal = [there == here for there, here in zip(theirs, ours, strict=False)]
    parting = None
    if not all(equal) or len(theirs) != len(ours):
        place = next((number for number, same in enumerate(equal) if not same), len(equal))
        parting = (theirs[place] if place < len(theirs) else None, ours[place] if place < len(ours) else None)
    was, now = read_manifest(published), read_manifest(repeated)
    return Repetition(
        rows=len(theirs),
        equal=sum(equal),
        parting=parting,
        first_off=largest_difference(first_values(theirs), first_values(ours)),
        only_here=tuple(sorted(only_here)),
        commit=was["git_revision"] or "unknown",
        other_host=differing(was, now, HOST),
        other_config=differing(was["config"], now["config"]),
    )


def rows_of(directory: Path) -> list[Row]:
    """Every row of metrics.csv outside time/, then every row of episodes.csv, of a finished run."""
    found: list[Row] = []
    for name in ("metrics.csv", "episodes.csv"):
        table = read_table(directory, name)
        if table is None:
            raise DamagedRunError(directory / name, "is missing")
        lines = table[1].decode().splitlines()[1:]
        if name == "metrics.csv":
            found += [(int(step), metric, value) for step, metric, value in measured(lines)]
        else:
            episodes = (line.split(",") for line in lines)
            found += [(int(step), f"episode of {setting}", ",".join(rest)) for step, setting, *rest in episodes]
    return found


def first_values(rows: Sequence[Row]) -> dict[str, float]:
    """The metrics of the first recorded env step."""
    metrics = [row for row in rows if not row[1].startswith("episode of ")]
    return {name: float(value) for step, name, value in metrics if step == metrics[0][0]}


def largest_difference(there: Mapping[str, float], here: Mapping[str, float]) -> float:
    """Relative to the first; two that are no numbers are alike."""
    if there.keys() != here.keys():
        return float("inf")
    pairs = [(there[name], here[name]) for name in there if there[name] != here[name]]
    off = [abs(one - other) / max(abs(one), FIRST_FLOOR) for one, other in pairs if not (one != one and other != other)]
    return max((float("inf") if value != value else value for value in off), default=0.0)


def differing(was: Mapping[str, Any], now: Mapping[str, Any], names: Sequence[str] = ()) -> dict[str, tuple[Any, Any]]:
    """The names, of all that either has unless some are given, whose values differ, with both."""
    asked = names or {**was, **now}
    return {name: (was.get(name), now.get(name)) for name in asked if was.get(name) != now.get(name)}


def describe(spec: RunSpec, found: Repetition) -> list[str]:
    """What was found, in lines."""
    aside = f"; beside them the repetition has {', '.join(found.only_here)}" if found.only_here else ""
    if found.is_equal:
        return [f"{spec}: all {found.rows:,} rows are equal, bit for bit{aside}"]
    there, here = (describe_row(row) for row in found.parting or ())
    lines = [f"{spec}: {found.equal:,} of {found.rows:,} rows are equal{aside}"]
    lines.append(f"  the first that differs: {there} there, {here} here")
    lines += [f"  {name} there {a}, here {b}" for name, (a, b) in found.other_config.items()]
    for name, (a, b) in found.other_host.items():
        if isinstance(a, dict) and isinstance(b, dict):
            lines += [f"  {name}: {one} there {x}, here {y}" for one, (x, y) in differing(a, b).items()]
        else:
            lines.append(f"  {name} there {a}, here {b}")
    lines.append(f"  the published run is of commit {found.commit}")
    if not found.other_config:
        lines.append(f"  at the first recorded env step values differ by {100 * found.first_off:.3g} % at most")
    verdict = "it agrees as far as can be asked of another host" if found.agrees else "it does not repeat"
    lines.append(f"  {verdict} (docs/runs.md)")
    return lines


def describe_row(row: Row | None) -> str:
    return "nothing" if row is None else f"{row[1]} {row[2]} at env step {row[0]:,}"
