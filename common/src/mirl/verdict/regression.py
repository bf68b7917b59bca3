"""Bands for the tiny budget: does this code still give what it gave when the bands were recorded?

A band is a prediction interval for **one new run** of an unchanged program, from the mean and the standard deviation of
n >= 5 recorded seeds:

    low, high = mean -+ max( t(n - 1, 1 - alpha / 2) * sd * sqrt(1 + 1/n),  1e-6 * |mean| )

with t the quantile of Student's distribution. The second term admits rounding where all recorded seeds agree (sd = 0):
a constant that changes by more than a millionth of itself is outside.

False alarms: an unchanged program falls outside with probability alpha = 0.001 for each metric and run, if the metric
is normal over seeds; for m judged values with at most m * alpha, whatever their dependence. A seed that
was recorded on the same machine is repeated exactly and gives no false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text
from scipy import stats

from mirl.config import ConfigError
from mirl.suite.experiments import Experiments, Metric, RunSpec
from mirl.suite.records import LEAST_SEEDS, Band, read_table, write_table
from mirl.suite.results import State, metric_value, read_metrics, read_state, run_directory
from mirl.verdict.judgement import decimals, show_interval
from mirl.verdict.statistics import Interval, summarise
from mirl.verdict.tables import Line, lined_table

ALPHA = 0.001
ROUNDING = 1e-6
"""Relative; what different processors and libraries may do to a number that does not depend on the seed."""

Finding = Literal["within", "outside", "no band", "not run"]


@dataclass(frozen=True)
class Measurement:
    """One regression metric of one tiny run."""

    task: str
    method: str
    seed: int
    metric: str
    state: State
    value: float | None = None
    """None where the run is not finished or never recorded the metric."""
    fault: str = ""
    """Why there is no value."""


@dataclass(frozen=True)
class Judged:
    """A measurement and its band."""

    measurement: Measurement
    band: Band | None
    finding: Finding
    reason: str = ""


def bands_path(root: Path, paper: str) -> Path:
    return root / "results/regression" / f"{paper}.csv"


def read_bands(root: Path, paper: str) -> list[Band]:
    """The recorded bands of a paper; none where nothing is recorded. Raises ConfigError naming the line."""
    return read_table(bands_path(root, paper), Band)


def prediction_interval(mean: float, sd: float, n: int, alpha: float = ALPHA) -> Interval:
    """Where one new run lies with probability 1 - alpha; the formula of this module's docstring."""
    gaussian = float(stats.t.ppf(1 - alpha / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    half = max(gaussian, ROUNDING * abs(mean))
    return mean - half, mean + half


def measure(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> list[Measurement]:
    """The last value of every regression metric of these runs."""
    return [
        measure_one(run_directory(root, spec), spec, metric)
        for spec in specs
        for metric in experiments.papers[spec.paper].regression[spec.method].metrics
    ]


def measure_one(directory: Path, spec: RunSpec, metric: str) -> Measurement:
    who = (spec.task, spec.labelled_method, spec.seed, metric)
    found = read_state(directory)
    if found.state != "finished":
        return Measurement(*who, found.state, fault=": ".join(filter(None, (found.state, found.reason))))
    try:
        value = metric_value(read_metrics(directory), Metric(name=metric, unit="as recorded"))
    except (ValueError, OSError, EOFError) as error:
        return Measurement(*who, found.state, fault=str(error))
    return Measurement(*who, found.state, value, "" if value is not None else f"{metric} was never recorded")


def judge(measurements: Sequence[Measurement], bands: Sequence[Band]) -> list[Judged]:
    """Hold every measurement against its band."""
    known = {band.key: band for band in bands}
    return [judge_one(one, known.get((one.task, one.method, one.metric))) for one in measurements]


def judge_one(measurement: Measurement, band: Band | None) -> Judged:
    """A value that is not a number, or that a finished run does not have, is outside."""
    value = measurement.value
    if measurement.state != "finished":
        return Judged(measurement, band, "not run", measurement.fault)
    if band is None:
        return Judged(measurement, None, "no band")
    if value is None:
        return Judged(measurement, band, "outside", measurement.fault)
    if band.low <= value <= band.high:
        return Judged(measurement, band, "within")
    if not math.isfinite(value) or band.sd == 0:
        return Judged(measurement, band, "outside", f"recorded was {band.mean:g}")
    return Judged(measurement, band, "outside", f"{abs(value - band.mean) / band.sd:.1f} sd from the recorded mean")


def record(measurements: Sequence[Measurement], lock_sha256: str, why: str) -> list[Band]:
    """Bands from finished runs. Raises ConfigError for a run that gives no number or fewer than five seeds."""
    if not why.strip():
        raise ConfigError("--update needs --why with the reason; it is recorded beside each band")
    groups: dict[tuple[str, str, str], dict[int, float]] = {}
    for one in measurements:
        if one.value is None or not math.isfinite(one.value):
            fault = one.fault or f"{one.metric} is {one.value}"
            raise ConfigError(f"no band from {one.task}/{one.method}/seed{one.seed}: {fault}")
        groups.setdefault((one.task, one.method, one.metric), {})[one.seed] = one.value
    today = datetime.now(UTC).date().isoformat()
    return [make_band(*key, list(seeds.values()), lock_sha256, today, why.strip()) for key, seeds in groups.items()]


def make_band(
    task: str, method: str, metric: str, values: Sequence[float], lock_sha256: str, today: str, why: str
) -> Band:
    if len(values) < LEAST_SEEDS:
        seeds = "one seed" if len(values) == 1 else f"{len(values)} seeds"
        raise ConfigError(f"no band for {metric} of {task}/{method} from {seeds}; at least {LEAST_SEEDS} are needed")
    summary = summarise(values)
    low, high = prediction_interval(summary.mean, summary.sd, summary.n)
    return Band(
        task=task, method=method, metric=metric, n=summary.n, mean=summary.mean, sd=summary.sd, low=low, high=high,
        alpha=ALPHA, lock_sha256=lock_sha256, recorded=today, why=why,
    )  # fmt: skip


def update(root: Path, paper: str, measurements: Sequence[Measurement], lock_sha256: str, why: str) -> Path:
    """Record new bands in results/regression/<paper>.csv, atomically; those of other tasks and methods stay.

    All old bands of a measured task and method go, also of metrics that are no longer judged.
    """
    new = record(measurements, lock_sha256, why)
    renewed = {(band.task, band.method) for band in new}
    kept = [band for band in read_bands(root, paper) if (band.task, band.method) not in renewed]
    path = bands_path(root, paper)
    write_table(path, Band, sorted([*kept, *new], key=lambda band: (band.task, band.method, band.metric)))
    return path


def render(judged: Sequence[Judged], lock_sha256: str | None = None) -> RenderableType:
    """A line a run and metric, and beneath what a band is. `lock_sha256`: of the lock in use, to name older bands."""
    lines = [
        Line(cells_of(one), one.reason, f"{one.measurement.task}  {one.measurement.method}") for one in judged
    ]  # fmt: skip
    table = lined_table(("metric", "seed", "value", "band", "n", "finding"), lines)
    return Group(table, Text(), *(Text(note, style="dim") for note in notes(judged, lock_sha256)))


def cells_of(one: Judged) -> list[str]:
    value, band = one.measurement.value, one.band
    digits = scale(*(number for number in (value, band.low if band else None, band.high if band else None) if number))
    return [
        one.measurement.metric,
        str(one.measurement.seed),
        "–" if value is None else f"{value:,.{digits}f}",
        show_interval((band.low, band.high), digits) if band else "–",
        str(band.n) if band else "–",
        one.finding,
    ]


def scale(*values: float) -> int:
    """Decimals that show four digits of the largest, also where that is far below 1 (losses are)."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=1.0)
    if largest >= 1 or largest == 0:
        return decimals(largest)
    return min(12, 3 - math.floor(math.log10(largest)))


def notes(judged: Sequence[Judged], lock_sha256: str | None) -> list[str]:
    """The formula and the rate of false alarms, in the numbers of this table."""
    bands = [one.band for one in judged if one.band and one.finding != "not run"]
    unknown = ["no band: `mirl regress --update --why …` records what five seeds give."]
    lines = unknown if any(one.finding == "no band" for one in judged) else []
    if not bands:
        return lines
    alphas = sorted({band.alpha for band in bands})
    lines += [
        f"band: mean ∓ t(n-1, 1-α/2) · sd · √(1 + 1/n), the prediction interval for one new run, "
        f"α = {', '.join(f'{alpha:g}' for alpha in alphas)}; at least ±{ROUNDING:g} of the mean.",
        f"{len(bands)} values judged: an unchanged program has one outside in at most "
        f"{sum(band.alpha for band in bands):.2%} of such tables.",
    ]
    if lock_sha256 and any(band.lock_sha256 != lock_sha256 for band in bands):
        lines.append("Some bands were recorded with another lock; a difference may come from a library.")
    return lines
