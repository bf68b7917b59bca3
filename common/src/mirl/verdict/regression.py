"""Does this code still do what it did? Tiny runs against what was recorded: the rules.

A metric's **last** value is held against a band: a prediction interval for **one new run** of an unchanged program,
from the mean and the standard deviation of n >= 5 recorded seeds,

    low, high = mean -+ max( t(n - 1, 1 - alpha / 2) * sd * sqrt(1 + 1/n),  1e-6 * |mean| )

with t the quantile of Student's distribution. The second term admits rounding where all recorded seeds agree (sd = 0):
a constant that changes by more than a millionth of itself is outside.

False alarms of bands: an unchanged program falls outside with probability alpha = 0.01 for each metric and run, if the
metric is normal over seeds; for m judged values with at most m * alpha, whatever their dependence. A seed that
was recorded on the same machine is repeated exactly and gives no false alarm: of up to twelve recorded values none can
lie outside their own band.

A metric's **first** value is held against the one that the same seed recorded:

    | value - recorded | <= 1e-3 * max( |recorded|, 1e-9 )

Where a metric varies much over seeds its band is wide, and a broken program may stay inside; a first value has no
seed variance. A false alarm can come from rounding alone: another processor, library or number of threads. Relative
deviation of MIME's first values on wide_ring, two seeds, on a CPU, largest seen among the instruction sets default,
AVX2, AVX-512 and one or two threads: 1.9e-7; 1.0e-6 with the linear algebra libraries held to SSE4.2 or AVX2 as well.
What comes after the first value is recorded, such as an iteration's outer update, it does not see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from scipy import stats

from mirl.config import ConfigError
from mirl.suite.experiments import Experiments, Metric
from mirl.suite.manifests import DamagedRunError
from mirl.suite.records import LEAST_SEEDS, Band, FirstValue
from mirl.suite.results import State, first_value, metric_value, read_metrics, read_state, run_directory
from mirl.suite.selection import RunSpec
from mirl.verdict.statistics import Interval, summarise

ALPHA = 0.01
ROUNDING = 1e-6
"""Relative; what different processors and libraries may do to a number that does not depend on the seed."""
FIRST_TOLERANCE = 1e-3
"""Relative; what they may do to the first value of a seed, which has come through an iteration of training."""
FIRST_FLOOR = 1e-9
"""In the metric's unit; a smaller first value is judged as if it were so large."""

When = Literal["last", "first"]
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
    when: When = "last"
    """Which of the values that the run recorded."""


@dataclass(frozen=True)
class Judged:
    """A measurement and what it is held against."""

    measurement: Measurement
    recorded: Band | FirstValue | None
    finding: Finding
    reason: str = ""


def prediction_interval(mean: float, sd: float, n: int, alpha: float = ALPHA) -> Interval:
    """Where one new run lies with probability 1 - alpha; the formula of this module's docstring."""
    gaussian = float(stats.t.ppf(1 - alpha / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    half = max(gaussian, ROUNDING * abs(mean))
    return mean - half, mean + half


def half_width(first: FirstValue) -> float:
    """How far a first value may be from the recorded one."""
    return first.tolerance * max(abs(first.value), FIRST_FLOOR)


def admitted(recorded: Band | FirstValue) -> Interval:
    """Where a value is within."""
    if isinstance(recorded, Band):
        return recorded.low, recorded.high
    return recorded.value - half_width(recorded), recorded.value + half_width(recorded)


def measure(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> list[Measurement]:
    """Every regression metric of these runs: last values, then first ones."""
    found = []
    for spec in specs:
        wanted = experiments.papers[spec.paper].regression[spec.method]
        directory = run_directory(root, spec)
        found += [measure_one(directory, spec, metric, "last") for metric in wanted.last]
        found += [measure_one(directory, spec, metric, "first") for metric in wanted.first]
    return found


def measure_one(directory: Path, spec: RunSpec, metric: str, when: When) -> Measurement:
    def measurement(state: State, value: float | None, fault: str) -> Measurement:
        return Measurement(spec.task, spec.labelled_method, spec.seed, metric, state, value, fault, when)

    found = read_state(directory, spec)
    if found.state != "finished":
        return measurement(found.state, None, ": ".join(filter(None, (found.state, found.reason))))
    try:
        table = read_metrics(directory)
    except DamagedRunError as error:
        return measurement(found.state, None, error.short)
    last = Metric(name=metric, unit="as recorded")
    value = metric_value(table, last) if when == "last" else first_value(table, metric)
    return measurement(found.state, value, "" if value is not None else f"{metric} was never recorded")


def judge(
    measurements: Sequence[Measurement], bands: Sequence[Band], first_values: Sequence[FirstValue] = ()
) -> list[Judged]:
    """Hold every last value against its band, and every first value against the one that its seed recorded."""
    known: dict[tuple[object, ...], Band | FirstValue] = {band.key: band for band in bands}
    known |= {first.key: first for first in first_values}
    return [judge_one(one, known.get(key_of(one))) for one in measurements]


def key_of(one: Measurement) -> tuple[object, ...]:
    """The key of the row that a measurement is held against."""
    return (one.task, one.method, one.metric) if one.when == "last" else (one.task, one.method, one.seed, one.metric)


def judge_one(measurement: Measurement, recorded: Band | FirstValue | None) -> Judged:
    """A value that is not a number, or that a finished run does not have, is outside."""
    value = measurement.value
    if measurement.state != "finished":
        return Judged(measurement, recorded, "not run", measurement.fault)
    if recorded is None:
        return Judged(measurement, None, "no band")
    if value is None:
        return Judged(measurement, recorded, "outside", measurement.fault)
    low, high = admitted(recorded)
    if low <= value <= high:
        return Judged(measurement, recorded, "within")
    return Judged(measurement, recorded, "outside", deviation(value, recorded))


def deviation(value: float, recorded: Band | FirstValue) -> str:
    """How far a value is from what was recorded, for people."""
    middle, unit = (recorded.mean, recorded.sd) if isinstance(recorded, Band) else (recorded.value, abs(recorded.value))
    if not math.isfinite(value) or unit == 0:
        return f"recorded was {middle:g}"
    if isinstance(recorded, Band):
        return f"{abs(value - middle) / unit:.1f} sd from the recorded mean"
    return f"{abs(value - middle) / unit:.2%} from what seed {recorded.seed} recorded first"


def record(measurements: Sequence[Measurement], lock_sha256: str, why: str) -> tuple[list[Band], list[FirstValue]]:
    """Bands and first values from finished runs.

    Raises ConfigError for a run that gives no number, for fewer than five seeds, and where there is no reason.
    """
    if not why.strip():
        raise ConfigError("--update needs --why with the reason; it is recorded beside each value")
    origin = {"lock_sha256": lock_sha256, "recorded": datetime.now(UTC).date().isoformat(), "why": why.strip()}
    groups: dict[tuple[str, str, str], dict[int, float]] = {}
    first_values = []
    for one in measurements:
        if one.value is None or not math.isfinite(one.value):
            fault = one.fault or f"{one.metric} is {one.value}"
            raise ConfigError(f"nothing is recorded of {one.task}/{one.method}/seed{one.seed}: {fault}")
        if one.when == "last":
            groups.setdefault((one.task, one.method, one.metric), {})[one.seed] = one.value
        else:
            who = {"task": one.task, "method": one.method, "seed": one.seed, "metric": one.metric}
            first = {**who, "value": one.value, "tolerance": FIRST_TOLERANCE, **origin}
            first_values.append(FirstValue.model_validate(first))
    return [make_band(*key, list(seeds.values()), origin) for key, seeds in groups.items()], first_values


def make_band(task: str, method: str, metric: str, values: Sequence[float], origin: dict[str, str]) -> Band:
    """A band from a value a seed; `origin` holds lock_sha256, recorded and why."""
    if len(values) < LEAST_SEEDS:
        seeds = "one seed" if len(values) == 1 else f"{len(values)} seeds"
        raise ConfigError(f"no band for {metric} of {task}/{method} from {seeds}; at least {LEAST_SEEDS} are needed")
    summary = summarise(values)
    low, high = prediction_interval(summary.mean, summary.sd, summary.n)
    who = {"task": task, "method": method, "metric": metric, "n": summary.n, "mean": summary.mean, "sd": summary.sd}
    return Band.model_validate({**who, "low": low, "high": high, "alpha": ALPHA, **origin})
