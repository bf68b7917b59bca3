"""What the figures of a task show, before anything is drawn: the interactive ones and their twins read the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from mirl.suite.experiments import Task
from mirl.suite.plot import COLOURS, STYLES
from mirl.suite.records import Reference
from mirl.suite.report.collect import TaskReport
from mirl.suite.report.curves import Curve
from mirl.verdict.comparison import ComparisonRow
from mirl.verdict.statistics import Interval, sd_of


@dataclass(frozen=True)
class Mark:
    """A number that the paper reports, as a curve shows it."""

    method: str
    env_steps: float
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class CurveFigure:
    """One metric over training, every method."""

    metric: str
    curves: Sequence[Curve]
    marks: Sequence[Mark] = ()
    bounds: Sequence[Reference] = ()
    """Ceilings and floors of the metric that lie near the curves."""


@dataclass(frozen=True)
class Strip:
    """One line of the figure of final values."""

    label: str
    method: str
    seeds: Mapping[int, float]
    mean: float | None
    interval: Interval | None
    reference: Reference | None
    reference_interval: Interval | None


@dataclass(frozen=True)
class SeedsFigure:
    """The registered metrics at the end of training, a line a method and setting."""

    metric: str
    strips: Sequence[Strip]
    bounds: Sequence[Reference]
    """Ceilings and floors that lie near the values."""


def curve_figures(task: TaskReport) -> list[CurveFigure]:
    """One figure a metric that was recorded over training; what the paper reports stands in those of its metrics."""
    return [curve_figure(name, curves, judged_rows(task), task.registered) for name, curves in task.curves.items()]


def judged_rows(task: TaskReport) -> list[ComparisonRow]:
    """Its rows; those of the tiny budget without the paper's numbers, which it never meets."""
    if task.budget != "tiny":
        return list(task.rows)
    return [row.model_copy(update={"reference": None, "bounds": ()}) for row in task.rows]


def curve_figure(name: str, curves: Sequence[Curve], rows: Sequence[ComparisonRow], task: Task) -> CurveFigure:
    mine = [row for row in rows if row.metric == name]
    drawn = {curve.method for curve in curves}
    marks = [mark(row, row.reference, task) for row in mine if row.reference and row.method in drawn]
    shown = [value for curve in curves for seed in curve.seeds.values() for value in seed.tolist()]
    return CurveFigure(name, curves, marks, near(distinct(mine), [*shown, *(one.value for one in marks)]))


def mark(row: ComparisonRow, reference: Reference, task: Task) -> Mark:
    env_steps = reference.env_steps or task.of(row.method).budgets["paper"].env_steps
    return Mark(row.method, float(env_steps), reference.value, reference_interval(reference))


def seeds_figure(task: TaskReport) -> SeedsFigure:
    """Every row of which a seed finished."""
    rows = [row for row in judged_rows(task) if row.ours.n]
    strips = [
        Strip(
            label=" · ".join(filter(None, (row.method, row.setting))),
            method=row.method,
            seeds={seed: value for seed, value in row.ours.seeds.items() if value is not None and math.isfinite(value)},
            mean=row.ours.mean,
            interval=row.ours.mean_interval,
            reference=row.reference,
            reference_interval=reference_interval(row.reference) if row.reference else None,
        )
        for row in rows
    ]
    shown = [value for strip in strips for value in strip.seeds.values()]
    shown += [strip.reference.value for strip in strips if strip.reference]
    names = [metric.name for metric in task.registered.metrics]
    return SeedsFigure(names[0] if len(names) == 1 else "each setting's metric", strips, near(distinct(rows), shown))


def distinct(rows: Sequence[ComparisonRow]) -> list[Reference]:
    """Ceilings and floors, each once."""
    return list({(bound.role, bound.value): bound for row in rows for bound in row.bounds}.values())


def near(bounds: Sequence[Reference], shown: Sequence[float]) -> list[Reference]:
    """Those that stretch the axis of the values by no more than its own length: a far one would flatten the rest."""
    values = [value for value in shown if math.isfinite(value)]
    if not values:
        return []
    low, high = min(values), max(values)
    return [bound for bound in bounds if 2 * low - high <= bound.value <= 2 * high - low]


def reference_interval(reference: Reference) -> Interval | None:
    """95 % t-interval of the mean behind a printed spread; None where spread or number of seeds is missing."""
    if reference.spread is None or reference.n is None or reference.n < 2:
        return None
    sd = sd_of(reference.spread, reference.spread_kind, reference.n)
    if sd is None:
        return None
    half = float(stats.t.ppf(0.975, reference.n - 1)) * sd / math.sqrt(reference.n)
    return reference.value - half, reference.value + half


def colour(place: int) -> str:
    """Of the method at a place in its paper."""
    return COLOURS[place % len(COLOURS)]


def style(place: int) -> int:
    """Number of the line style: with the colour it tells more methods apart than there are colours."""
    return (place + place // len(COLOURS)) % len(STYLES)
