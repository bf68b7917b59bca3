"""Checks of metrics.csv and episodes.csv, plain or gzipped."""

from __future__ import annotations

import csv
import io
from functools import lru_cache

import numpy as np
import pandas as pd

from mirl.files import whole_lines
from mirl.recorder import EPISODES_HEADER, GROUPS, METRICS_HEADER
from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import RunFolder
from mirl.suite.experiments import Experiments

WHOLE = ("env_step", "episode", "length")
TEXT = ("name", "setting")


@lru_cache(maxsize=2)
def cells(run: RunFolder, name: str, header: str) -> pd.DataFrame:
    """The rows that can be read, as text; no rows where the table is absent or has other columns."""
    lines = whole_lines(run.text(name) or "")
    columns = header.split(",")
    if not lines or lines[0] != header:
        return pd.DataFrame(columns=columns, dtype=str)
    good = [line for line in lines[1:] if line.count(",") == len(columns) - 1]
    if not good:
        return pd.DataFrame(columns=columns, dtype=str)
    return pd.read_csv(
        io.StringIO("\n".join(good)), names=columns, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
    )


@lru_cache(maxsize=2)
def values(run: RunFolder, name: str, header: str) -> pd.DataFrame:
    """As `cells`, with numbers. Rows in which one cannot be read are left out, since the -rows check names them."""
    table = cells(run, name, header).copy()
    readable = pd.Series(True, index=table.index)
    for column in header.split(","):
        if column not in TEXT:
            numbers = pd.to_numeric(table[column], errors="coerce")
            readable &= numbers.notna() | (table[column] == "nan")
            table[column] = numbers
    return table.loc[readable]


def wrong_header(run: RunFolder, name: str, header: str) -> Sentences:
    text = run.text(name)
    if text is None:
        if run.is_finished and not run.manifest:  # else manifest-files says it
            yield f"{name} is missing"
    elif text.partition("\n")[0] != header:
        yield f"{name} begins with {text.partition(chr(10))[0][:80]!r}; it must begin with {header}"


def wrong_rows(run: RunFolder, name: str, header: str) -> Sentences:
    """Sentences for the first row that is torn and the first whose cells have another type."""
    text = run.text(name) or ""
    lines = text.splitlines()
    if not lines or lines[0] != header:
        return
    if run.is_finished and not text.endswith("\n"):
        yield f"{name} line {len(lines)} is torn, although the run is finished"
    columns = header.split(",")
    for number, line in enumerate(whole_lines(text)[1:], start=2):
        fault = wrong_row(line.split(","), columns)
        if fault:
            yield f"{name} line {number}: {fault}"
            return


def wrong_row(row: list[str], columns: list[str]) -> str:
    if len(row) != len(columns):
        return f"{len(row)} cells where {len(columns)} belong"
    for column, cell in zip(columns, row, strict=True):
        if column in TEXT:
            if not cell:
                return f"{column} is empty"
            continue
        try:
            int(cell) if column in WHOLE else float(cell)
        except ValueError:
            return f"{column} must be a {'whole ' if column in WHOLE else ''}number, got {cell!r}"
    return ""


def falling(run: RunFolder, name: str, header: str) -> Sentences:
    table = values(run, name, header)
    steps = table["env_step"].to_numpy(dtype=float)
    back = np.flatnonzero(np.diff(steps) < 0)
    if len(back):
        before, after = steps[back[0]], steps[back[0] + 1]
        yield f"{name}: env_step falls from {before:,.0f} to {after:,.0f}"
    end = run.manifest.env_steps if run.manifest else None
    if end is not None and len(steps) and steps.max() > end:
        yield f"{name}: env_step {steps.max():,.0f} is beyond the run's {end:,}"


@named("metrics-columns", RunFolder)
def metrics_columns(run: RunFolder, experiments: Experiments) -> Sentences:
    """metrics.csv has the columns of the contract."""
    yield from wrong_header(run, "metrics.csv", METRICS_HEADER)


@named("metrics-rows", RunFolder)
def metrics_rows(run: RunFolder, experiments: Experiments) -> Sentences:
    """Every row of metrics.csv is whole and its cells have their type."""
    yield from wrong_rows(run, "metrics.csv", METRICS_HEADER)


@named("metrics-steps", RunFolder)
def metrics_steps(run: RunFolder, experiments: Experiments) -> Sentences:
    """env_step of metrics.csv never falls and never passes the end of the run."""
    yield from falling(run, "metrics.csv", METRICS_HEADER)


@named("metrics-names", RunFolder)
def metrics_names(run: RunFolder, experiments: Experiments) -> Sentences:
    """Every metric is named <group>/<name>, with a group of the contract."""
    for name in cells(run, "metrics.csv", METRICS_HEADER)["name"].unique():
        group, _, rest = name.partition("/")
        if group not in GROUPS or not rest:
            yield f"metrics.csv: {name!r} is not <group>/<name> with a group of {', '.join(GROUPS)}"


@named("metrics-finite", RunFolder)
def metrics_finite(run: RunFolder, experiments: Experiments) -> Sentences:
    """Metrics are finite; NaN stands only where nothing was drawn, and never in a finished run's losses."""
    table = values(run, "metrics.csv", METRICS_HEADER)
    for column in ("wall_s", "value"):
        infinite = table[np.isinf(table[column].to_numpy(dtype=float))]
        for row in infinite.head(1).itertuples():
            yield f"metrics.csv: {column} of {row.name} is infinite at env step {row.env_step}"
    if run.is_finished:
        losses = table[table["name"].str.startswith("loss/") & table["value"].isna()]
        for row in losses.head(1).itertuples():
            yield f"metrics.csv: {row.name} is NaN at env step {row.env_step}"


@named("metrics-registered", RunFolder)
def metrics_registered(run: RunFolder, experiments: Experiments) -> Sentences:
    """A finished run recorded the metrics by which it is judged."""
    entry = experiments.papers.get(run.spec.paper) if run.spec else None
    if not run.manifest or not entry or not run.spec or run.spec.task not in entry.tasks:
        return
    if (run.text("metrics.csv") or "").partition("\n")[0] != METRICS_HEADER:  # metrics-columns says it
        return
    wanted = {metric.name for metric in entry.tasks[run.spec.task].of(run.spec.labelled_method).metrics}
    if run.spec.budget == "tiny" and run.spec.method in entry.regression:
        wanted |= set(entry.regression[run.spec.method].names)
    for name in sorted(wanted - set(cells(run, "metrics.csv", METRICS_HEADER)["name"])):
        yield f"metrics.csv has no {name}"


@named("episodes-columns", RunFolder)
def episodes_columns(run: RunFolder, experiments: Experiments) -> Sentences:
    """episodes.csv has the columns of the contract."""
    yield from wrong_header(run, "episodes.csv", EPISODES_HEADER)


@named("episodes-rows", RunFolder)
def episodes_rows(run: RunFolder, experiments: Experiments) -> Sentences:
    """Every row of episodes.csv is whole and its cells have their type."""
    yield from wrong_rows(run, "episodes.csv", EPISODES_HEADER)


@named("episodes-steps", RunFolder)
def episodes_steps(run: RunFolder, experiments: Experiments) -> Sentences:
    """env_step of episodes.csv never falls and never passes the end of the run."""
    yield from falling(run, "episodes.csv", EPISODES_HEADER)


@named("episodes-values", RunFolder)
def episodes_values(run: RunFolder, experiments: Experiments) -> Sentences:
    """Returns are finite, lengths at least 1, success between 0 and 1 or NaN where the task knows none."""
    table = values(run, "episodes.csv", EPISODES_HEADER)
    returns = table["return"].to_numpy(dtype=float)
    success = table["success"].to_numpy(dtype=float)
    wrong = {
        "return is not finite": ~np.isfinite(returns),
        "length is below 1": table["length"].to_numpy(dtype=float) < 1,
        "success is not between 0 and 1": (success < 0) | (success > 1),
    }
    for sentence, rows in wrong.items():
        if rows.any():
            first = table[rows].iloc[0]
            yield f"episodes.csv: {sentence} at env step {first['env_step']}, episode {first['episode']}"
