"""Reading what runs left behind: their state, their tables, and the references they are held against."""

from __future__ import annotations

import fcntl
import io
import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mirl.config import ConfigError
from mirl.files import whole_lines
from mirl.recorder import EPISODES_HEADER, METRICS_HEADER
from mirl.suite.experiments import Metric
from mirl.suite.manifests import DamagedRunError, damage, read_bytes, read_manifest, read_record, read_table
from mirl.suite.selection import RunSpec

if TYPE_CHECKING:  # pandas takes a second to import: to see what state a run is in, nobody needs to wait for it
    import pandas as pd

    from mirl.suite.records import Reference

State = Literal["not run", "running", "interrupted", "failed", "killed", "damaged", "finished"]
Source = Literal["runs", "published", "authors"]
"""Our run directories, our published runs, or the seeds that a paper's authors released."""
STALE_AFTER_S = 1800.0
"""A run on another host that has not rewritten run.json for so long is taken for dead."""
NUMBERS = {
    "env_step": "int64", "wall_s": "float64", "value": "float64",
    "episode": "int64", "return": "float64", "length": "int64", "success": "float64",
}  # fmt: skip


@dataclass(frozen=True)
class RunState:
    """How far a run is. `record` is run.json and `manifest` is manifest.json; both are empty where absent."""

    state: State
    reason: str = ""
    """Why it is not finished, where that is known."""
    record: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)


def run_directory(root: Path, spec: RunSpec) -> Path:
    """results/runs/<budget>/<run id>."""
    return root / "results/runs" / spec.budget / spec.run_id


def published_directory(root: Path, spec: RunSpec) -> Path:
    """results/published/<paper>/<budget>/<task>/<method[@variant]>/seed<k>."""
    return root / "results/published" / spec.paper / spec.budget / spec.task / spec.labelled_method / f"seed{spec.seed}"


def directory_of(root: Path, spec: RunSpec, source: Source) -> Path:
    """Where a run of ours lies."""
    return run_directory(root, spec) if source == "runs" else published_directory(root, spec)


def begun_runs(root: Path, paper: str, budget: str, source: Source, task: str = "*") -> list[RunSpec]:
    """Every run of a paper that left a folder, whatever is in it, by task, method and seed."""
    base = root / "results" / (f"runs/{budget}/{paper}" if source == "runs" else f"published/{paper}/{budget}")
    found = []
    for folder in sorted(base.glob(f"{task}/*/seed*")):
        try:
            found.append(RunSpec.parse(f"{budget}/{paper}/{'/'.join(folder.parts[-3:])}"))
        except ConfigError:  # a folder that was moved aside
            continue
    return found


def published_runs(root: Path, paper: str) -> list[RunSpec]:
    """The published runs of a paper, those of its own budget first."""
    return [
        spec for budget in ("paper", "workstation", "tiny") for spec in begun_runs(root, paper, budget, "published")
    ]


def choose_published(
    runs: Sequence[RunSpec], what: str, wanted: RunSpec, budget: str | None, seed: int | None
) -> RunSpec:
    """The first of `runs` with the task and method of `wanted`, and with budget and seed where they are named.

    Raises ConfigError, which calls it `what` and tells which there are.
    """
    name = f"{wanted.paper}/{wanted.task}/{wanted.labelled_method}"
    same = [spec for spec in runs if (spec.task, spec.labelled_method) == (wanted.task, wanted.labelled_method)]
    for spec in same:
        if budget in (None, spec.budget) and seed in (None, spec.seed):
            return spec
    which = " ".join(filter(None, (budget, f"seed {seed}" if seed is not None else "")))
    names = (str(spec) if same else f"{spec.task} {spec.labelled_method}" for spec in same or runs)
    there = ", ".join(dict.fromkeys(names))
    raise ConfigError(
        f"no {what} of {name}{f' ({which})' if which else ''} is published"
        f" ({f'there are: {there}' if there else f'none of {wanted.paper} is'})"
    )


def damages(root: Path, specs: Iterable[RunSpec], source: Source) -> list[DamagedRunError]:
    """What is wrong with the manifests and tables of these runs, the first thing of each."""
    found = (damage(directory_of(root, spec, source), spec) for spec in specs)
    return [one for one in found if one]


def read_state(directory: Path, spec: RunSpec | None = None) -> RunState:
    """The state of a run directory. Nothing in it raises: what cannot be read is `damaged`, with the reason.

    `spec`: the run that must lie there; another one's manifest is damage.
    """
    try:
        manifest = read_manifest(directory, spec)
        if manifest:
            return RunState("finished", record=readable_record(directory), manifest=manifest)
        record = read_record(directory)
    except DamagedRunError as damage:
        return RunState("damaged", damage.short)
    if not record:
        return RunState("not run")
    state, reason = unfinished_state(directory, record)
    return RunState(state, reason, record)


def readable_record(directory: Path) -> Mapping[str, Any]:
    """run.json of a finished run, which proves nothing any more; empty where it cannot be read."""
    try:
        return read_record(directory)
    except DamagedRunError:
        return {}


def unfinished_state(directory: Path, record: Mapping[str, Any]) -> tuple[State, str]:
    """The state of a run without manifest, and why it is so."""
    status = record.get("status")
    if status in ("failed", "interrupted"):
        attempts = record.get("attempts") or [{}]
        return ("failed" if status == "failed" else "interrupted"), str(attempts[-1].get("reason", ""))
    if is_alive(directory, record):
        return "running", ""
    if status == "finished":
        return "killed", "it ended before its manifest was written; the same command writes it"
    return "killed", "its process is gone; the same command continues from the last checkpoint"


def is_alive(directory: Path, record: Mapping[str, Any]) -> bool:
    """Whether a process still writes this run directory.

    The lock decides where it can: it is seen through containers, and a process id that was given to somebody else
    does not deceive it. Without it: the process id on this host, the age of run.json on another.
    """
    held = is_locked(directory / "run.lock")
    if held:
        return True
    if record.get("host") == socket.gethostname():
        return held is None and process_exists(record.get("pid"))
    age = seconds_since(str(record.get("updated", "")))
    return age is not None and age < STALE_AFTER_S


def is_locked(path: Path) -> bool | None:
    """Whether somebody holds the lock; None where there is no lock file or the file system knows no locks."""
    try:
        with path.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except OSError:
        return None
    return False


def process_exists(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # nobody has it, or nobody can
        return False
    except PermissionError:  # it is somebody else's, so it exists
        return True
    return True


def seconds_since(moment: str) -> float | None:
    """Age of an ISO 8601 time with zone; None where it cannot be read."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return None


def read_metrics(path: Path) -> pd.DataFrame:
    """metrics.csv, plain or gzipped, of a file or a run directory: columns env_step, wall_s, name, value.

    A last line torn by a kill is left out; a missing or empty file of an unfinished run gives no rows. Raises
    DamagedRunError for other damage, and where a finished run's manifest vouches for other bytes.
    """
    return read_columns(path, "metrics.csv", METRICS_HEADER)


def read_episodes(path: Path) -> pd.DataFrame:
    """episodes.csv: columns env_step, setting, episode, return, length, success. As `read_metrics`."""
    return read_columns(path, "episodes.csv", EPISODES_HEADER)


def read_columns(path: Path, name: str, header: str) -> pd.DataFrame:
    found = read_table(path, name) if path.is_dir() else (path, read_bytes(path)) if path.exists() else None
    return parse_columns(*found, header) if found else empty_columns(header)


def types_of(header: str) -> dict[str, str]:
    return {column: NUMBERS.get(column, "object") for column in header.split(",")}


def empty_columns(header: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in types_of(header).items()})


def parse_columns(file: Path, content: bytes, header: str) -> pd.DataFrame:
    """The whole lines of a CSV file under this header, none where it has not begun; raises DamagedRunError."""
    import pandas as pd

    try:
        lines = whole_lines(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DamagedRunError(file, f"is not UTF-8 ({error})") from None
    if not lines:
        return empty_columns(header)
    if lines[0] != header:
        raise DamagedRunError(file, f"must begin with {header}")
    try:
        table = pd.read_csv(io.StringIO("\n".join(lines)), dtype=str, keep_default_na=False)
        return table.astype(types_of(header))
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise DamagedRunError(file, f"cannot be read: {' '.join(str(error).split())}") from None


def metric_value(metrics: pd.DataFrame, metric: Metric) -> float | None:
    """The value that is judged: the last one recorded, or the mean of the last `points` (or of as many as there are),
    of those up to `at_env_step`; 1 or 0 where a seed counts as solved or not.

    None where the metric was never recorded; NaN where one of the values is: an earlier, healthier one is not taken.
    """
    counted = metrics["name"] == metric.recorded
    if metric.at_env_step is not None:
        counted &= metrics["env_step"] <= metric.at_env_step
    values = metrics.loc[counted, "value"]
    if values.empty:
        return None
    last = values.iloc[-(metric.points if metric.window == "mean_of_last" else 1) :]
    value = float(last.mean(skipna=False))
    return value if metric.solved_at is None or math.isnan(value) else float(value >= metric.solved_at)


def measured(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Env step, name and value, as written, of the lines of a metrics.csv that tell no time: equal for equal runs."""
    for line in lines:
        step, _, name, value = line.split(",")
        if not name.startswith("time/"):
            yield step, name, value


def first_value(metrics: pd.DataFrame, name: str) -> float | None:
    """The first value that was recorded of a metric; None where there is none."""
    values = metrics.loc[metrics["name"] == name, "value"]
    return None if values.empty else float(values.iloc[0])


def reference_path(root: Path, paper: str) -> Path:
    return root / "results/reference" / f"{paper}.csv"


def read_references(root: Path, paper: str) -> list[Reference]:
    """What the paper reports; none where nothing is recorded. Raises ConfigError naming the line that is wrong."""
    from mirl.suite.record_tables import read_table
    from mirl.suite.records import Reference

    return read_table(reference_path(root, paper), Reference)
