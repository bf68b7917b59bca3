"""A reader's own runs on a registered task: a folder with a table a seed, in our columns or in two of hers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mirl.config import ConfigError, nearest
from mirl.suite.experiments import Metric
from mirl.suite.manifests import DamagedRunError, read_bytes
from mirl.suite.results import begun_runs
from mirl.suite.selection import RunSpec
from mirl.suite.series import recorded_values
from mirl.verdict.judgement import STEP_TOLERANCE

LONG = ("env_step", "name", "value")
"""The columns of ours that are needed; others, such as wall_s, may stand beside them."""
MOST_STEPS = 1e12
"""More than anybody takes; a number beyond it is none of steps."""
SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True)
class OwnRuns:
    """A method that nobody registered."""

    label: str
    tables: Mapping[str, pd.DataFrame]
    """File, as it is shown -> env_step, name, value of one seed."""


def read(folder: Path, metric: Metric, columns: Sequence[str] = (), env_steps_per_step: int = 1) -> OwnRuns:
    """Every table of a folder: its own CSV files, else the metrics.csv of its folders; a table is a seed.

    `columns`: the names of the two columns that hold steps and the metric's values, where the tables are not in ours.
    `env_steps_per_step`: environment steps, with action repeat, that one of her steps stands for. Raises ConfigError.
    """
    if not folder.is_dir():
        raise ConfigError(f"--with {folder} is not a folder")
    files = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.is_file())
    files = files or sorted(path for suffix in SUFFIXES for path in folder.glob(f"*/metrics{suffix}"))
    if not files:
        raise ConfigError(f"--with {folder} holds no table: neither *.csv nor */metrics.csv")
    shown = {path: str(path.relative_to(folder)) for path in files}
    return OwnRuns(
        folder.resolve().name, {shown[path]: read_one(path, metric, columns, env_steps_per_step) for path in files}
    )


def read_one(path: Path, metric: Metric, columns: Sequence[str], env_steps_per_step: int) -> pd.DataFrame:
    """One seed: env_step, name, value; raises ConfigError that names file, line and what is wrong."""
    table = parse(path)
    wanted = list(columns) or list(LONG)
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        near = nearest(missing[0], list(table.columns))
        hint = "" if columns else "; two columns of other names are told by --columns STEPS,VALUES"
        raise ConfigError(f"{path} has no column {missing[0]}{near} (columns: {', '.join(table.columns)}){hint}")
    steps = numbers(path, table, wanted[0])
    values = numbers(path, table, wanted[-1])
    wrong = np.flatnonzero(~((steps >= 0) & (steps <= MOST_STEPS) & (steps == np.rint(steps))))
    if len(wrong):
        raise ConfigError(
            f"{path} line {wrong[0] + 2}: {wanted[0]} must be a whole number of steps, {MOST_STEPS:g} at most,"
            f" got {steps[wrong[0]]:g}"
        )
    names = table["name"] if not columns else metric.recorded
    made = pd.DataFrame({"env_step": steps.astype("int64") * env_steps_per_step, "name": names, "value": values})
    return made.sort_values("env_step", kind="stable", ignore_index=True)


def parse(path: Path) -> pd.DataFrame:
    """A CSV file as text; raises ConfigError where it is none."""
    try:
        text = read_bytes(path).decode("utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (DamagedRunError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = (
            error.fault if isinstance(error, DamagedRunError) else f"is not a table ({' '.join(str(error).split())})"
        )
        raise ConfigError(f"{path} {reason}") from None
    if not len(table):
        raise ConfigError(f"{path} has no rows")
    return table


def numbers(path: Path, table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """A column's numbers; raises ConfigError that names the first cell which is none ('nan' is one)."""
    found = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(found.isna() & (table[column].str.lower() != "nan"))
    if len(wrong):
        raise ConfigError(
            f"{path} line {wrong[0] + 2}: {column} must be a number, got {table[column].iloc[wrong[0]]!r}"
        )
    return found.to_numpy(dtype=float)


def refuse_other_steps(runs: OwnRuns, env_steps: int, metric: Metric) -> None:
    """Her seeds must have a value a step and have gone as far as the budget; raises ConfigError that names the seed."""
    for file, table in runs.tables.items():
        mine = table[table["name"] == metric.recorded]
        if not len(mine):
            names = sorted(set(table["name"]))
            raise ConfigError(
                f"{file} of --with {runs.label} never recorded {metric.recorded} (it has {', '.join(names)})"
            )
        if (twice := mine["env_step"].duplicated()).any():
            raise ConfigError(
                f"{file} of --with {runs.label} has {metric.recorded} twice at env step"
                f" {mine.loc[twice, 'env_step'].iloc[0]:,}; a table is one seed, with one value a step"
            )
        last = int(mine["env_step"].iloc[-1])
        if abs(last - env_steps) > STEP_TOLERANCE * env_steps:
            unit = "; if one of its steps stands for several, --env-steps-per-step {} says so"
            raise ConfigError(
                f"{file} of --with {runs.label} ends at env step {last:,}, the budget has {env_steps:,}"
                f"{unit.format(round(env_steps / last)) if 0 < last < 0.75 * env_steps else ''}"
            )


def copies(runs: OwnRuns) -> str:
    """A sentence about the first two tables with the same rows, which may be one seed; '' where there are none."""
    seen: dict[str, str] = {}
    for file, table in runs.tables.items():
        if (first := seen.setdefault(table.to_csv(), file)) != file:
            return f"{file} has the rows of {first}: one seed that is brought twice would count twice"
    return ""


def draw(root: Path, spec: RunSpec, metric: Metric, runs: OwnRuns, path: Path) -> list[DamagedRunError]:
    """Her curves and those of our published runs in one picture; returns the published runs that are no evidence."""
    from mirl.suite import plot

    published = begun_runs(root, spec.paper, spec.budget, "published", spec.task)
    try:
        curves, damages = plot.curves(root, published, metric.recorded, "published")
    except ConfigError:  # nothing was published that recorded it
        curves, damages = {}, []
    hers = [recorded_values(table, metric.recorded) for table in runs.tables.values()]
    title = f"{spec.paper}, {spec.task}: budget {spec.budget}"
    plot.draw({f"{runs.label} (yours)": hers, **curves}, title, metric.recorded, 1, path)
    return damages
