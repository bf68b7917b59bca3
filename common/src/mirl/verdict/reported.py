"""What a paper states of its own results, recomputed: from the seeds that its authors released, or from what it prints.

Printed numbers are rounded, so a recomputed number is a range: what the unrounded numbers may have given. A stated
number `matches` where the range that its own digits leave open meets the recomputed one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import stats

from mirl.suite.record_tables import read_table
from mirl.suite.records import SEEDS_SUFFIX, STATED_SUFFIX, Reference, ReportedSeed, Stated
from mirl.suite.results import read_references, reference_path
from mirl.verdict.statistics import Interval, summarise

Finding = Literal["matches", "does not match", "cannot be recomputed"]
Place = tuple[str, str, str]
"""(task, method, metric)."""


@dataclass(frozen=True)
class Rounded:
    """A sample as it is known from rounded numbers: the true mean and sd lie within half a unit of the last digit."""

    mean: float
    sd: float
    n: int
    mean_half: float
    sd_half: float
    basis: Literal["seeds", "means and sds"]


@dataclass(frozen=True)
class Recomputed:
    """A stated number and what it should be."""

    task: str
    setting: str
    method: str
    against: str
    statistic: str
    stated: float
    finding: Finding
    value: float | None = None
    interval: Interval | None = None
    """Where rounding lets the recomputed number lie."""
    reason: str = ""
    source: str = ""


def read_seeds(root: Path, paper: str) -> list[ReportedSeed]:
    """Single seeds of the authors, none where nothing is recorded. Raises ConfigError naming the line."""
    return read_table(beside_references(root, paper, SEEDS_SUFFIX), ReportedSeed)


def read_stated(root: Path, paper: str) -> list[Stated]:
    """What the paper states of its results, as `read_seeds`."""
    return read_table(beside_references(root, paper, STATED_SUFFIX), Stated)


def beside_references(root: Path, paper: str, suffix: str) -> Path:
    path = reference_path(root, paper)
    return path.with_stem(path.stem + suffix)


def seeds_by_place(seeds: Sequence[ReportedSeed]) -> dict[Place, dict[int, float]]:
    """(task, method, metric) -> seed -> value."""
    found: dict[Place, dict[int, float]] = {}
    for row in seeds:
        found.setdefault((row.task, row.method, row.metric), {})[row.seed] = float(row.value)
    return found


def recompute_all(root: Path, paper: str) -> list[Recomputed]:
    """`recompute` on what results/reference holds of a paper."""
    return recompute(read_references(root, paper), read_seeds(root, paper), read_stated(root, paper))


def recompute(
    references: Sequence[Reference], seeds: Sequence[ReportedSeed], stated: Sequence[Stated]
) -> list[Recomputed]:
    """Means and spreads whose seeds were released, then everything else that is stated."""
    printed = {(row.task, row.method, row.metric): row for row in rounded_references(references)}
    released = rounded_seeds(seeds)
    found = [one for place, sample in released.items() if place in printed for one in of_table(printed[place], sample)]
    known = {place: row.rounded for place, row in printed.items()} | released
    values = seeds_by_place(seeds)
    return [*found, *(recompute_one(one, known, values) for one in stated)]


@dataclass(frozen=True)
class PrintedReference:
    """A reference with mean, sd and number of seeds, as rounded numbers."""

    task: str
    method: str
    metric: str
    row: Reference
    rounded: Rounded


def rounded_references(references: Sequence[Reference]) -> Iterator[PrintedReference]:
    """Reported results with an sd. How many digits a table prints is read off all rows of the same source."""
    rows = [row for row in references if row.role == "result" and row.spread_kind == "sd" and row.n]
    for source in dict.fromkeys(row.source for row in rows):
        same = [row for row in rows if row.source == source]
        mean_half, sd_half = half_unit([row.value for row in same]), half_unit([row.spread or 0.0 for row in same])
        for row in same:
            assert row.spread is not None
            assert row.n is not None
            rounded = Rounded(row.value, row.spread, row.n, mean_half, sd_half, "means and sds")
            yield PrintedReference(row.task, row.method, row.metric, row, rounded)


def half_unit(values: Sequence[float]) -> float:
    """Half a unit of the last decimal that any of the values shows; 0.5 for whole numbers."""
    return 0.5 * 10.0 ** -max(decimals_of(Decimal(repr(value)).normalize()) for value in values)


def decimals_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded_seeds(seeds: Sequence[ReportedSeed]) -> dict[Place, Rounded]:
    """Mean and sd of released seeds. Each seed and so the mean is off by up to half a unit, the sd by little more."""
    halves: dict[Place, float] = {}
    for row in seeds:
        place, half = (row.task, row.method, row.metric), 0.5 * 10.0 ** -decimals_of(row.value)
        halves[place] = max(half, halves.get(place, 0.0))
    return {place: sample_of(list(one.values()), halves[place]) for place, one in seeds_by_place(seeds).items()}


def sample_of(values: Sequence[float], half: float) -> Rounded:
    """Seeds that are off by up to `half` each."""
    one = summarise(values)
    widest = half * math.sqrt(one.n / (one.n - 1)) if one.n > 1 else math.nan
    return Rounded(one.mean, one.sd, one.n, half, widest, "seeds")


def of_table(printed: PrintedReference, sample: Rounded) -> Iterator[Recomputed]:
    """The mean and the sd of a table, from the seeds behind it."""
    row, reported = printed.row, printed.rounded
    for statistic, stated, value, half, own in (
        ("mean", row.value, sample.mean, sample.mean_half, reported.mean_half),
        ("sd", row.spread, sample.sd, sample.sd_half, reported.sd_half),
    ):
        assert stated is not None
        finding: Finding = "matches" if abs(stated - value) <= half + own + 1e-12 * abs(value) else "does not match"
        yield Recomputed(
            row.task, row.setting, row.method, "", statistic, stated, finding, value, (value - half, value + half),
            f"from {sample.n} seeds", row.source,
        )  # fmt: skip


def recompute_one(
    stated: Stated, known: Mapping[Place, Rounded], seeds: Mapping[Place, Mapping[int, float]]
) -> Recomputed:
    """One stated number; both of Student's and Welch's tests are tried, since few papers say which they took."""
    methods = [stated.method, *([stated.against] if stated.against else [])]
    metrics = stated.of.split()
    samples = [[known.get((stated.task, method, metric)) for metric in metrics] for method in methods]
    if any(one is None for group in samples for one in group):
        return outcome(stated, [], "the table gives no mean and sd of it")
    groups = [[one for one in group if one is not None] for group in samples]
    if stated.statistic == "mean":
        return outcome(stated, [mean_of_metrics(groups[0])], "mean of the printed means")
    if stated.statistic == "pooled_sd":
        return outcome(stated, [pooled_sd(groups[0])], "over metrics and seeds pooled, from the printed means and sds")
    if len(metrics) > 1:
        if any(one.basis != "seeds" for group in groups for one in group):
            return outcome(stated, [], f"seeds averaged over {len(metrics)} metrics were not released")
        groups = [
            [averaged([seeds[stated.task, method, metric] for metric in metrics], group)]
            for method, group in zip(methods, groups, strict=True)
        ]
    pair = groups[0][0], groups[1][0]
    basis = "seeds" if {one.basis for one in pair} == {"seeds"} else "means and sds"
    ranges = [two_sample(*pair, stated.statistic, equal_variances) for equal_variances in (True, False)]
    return outcome(stated, ranges, f"from {basis}", ("Student's test", "Welch's test"))


Range = tuple[float, float, float]
"""(value, low, high)."""


def outcome(stated: Stated, ranges: Sequence[Range], basis: str, names: Sequence[str] = ("",)) -> Recomputed:
    """The finding from one range for each way to compute the number; the first that matches is named."""
    half = 0.5 * 10.0 ** -decimals_of(stated.value)
    matching = [
        index
        for index, (_, low, high) in enumerate(ranges)
        if low - half <= float(stated.value) <= high + half + 1e-12
    ]  # fmt: skip
    finding: Finding = "matches" if matching else "does not match" if ranges else "cannot be recomputed"
    chosen = matching[0] if matching else 0
    value, interval, reason = None, None, basis
    if ranges:
        value, interval = ranges[chosen][0], ranges[chosen][1:]
        reason = ", ".join(filter(None, (names[chosen], basis)))
    note = f"; {stated.note}" if stated.note else ""
    return Recomputed(
        stated.task, stated.setting, stated.method, stated.against, stated.statistic, float(stated.value), finding,
        value, interval, reason + note, stated.source,
    )  # fmt: skip


def mean_of_metrics(group: Sequence[Rounded]) -> Range:
    """Mean over several metrics, of their means."""
    value = float(np.mean([one.mean for one in group]))
    half = float(np.mean([one.mean_half for one in group]))
    return value, value - half, value + half


def averaged(values: Sequence[Mapping[int, float]], group: Sequence[Rounded]) -> Rounded:
    """Over seeds, of each seed's mean over several metrics; seeds that lack a metric are left out."""
    shared = [seed for seed in values[0] if all(seed in one for one in values)]
    half = float(np.mean([each.mean_half for each in group]))
    return sample_of([float(np.mean([metric[seed] for metric in values])) for seed in shared], half)


def pooled_sd(group: Sequence[Rounded]) -> Range:
    """Sample sd of all seeds of all metrics thrown together; the range by the rounding of means and sds."""
    means = np.array([one.mean for one in group])
    value = pooled(means, np.array([one.sd for one in group]), group)
    scale = math.sqrt(len(group) / (len(group) - 1)) if len(group) > 1 else 0.0
    half = max(one.sd_half for one in group) + scale * max(one.mean_half for one in group)
    return value, value - half, value + half


def pooled(means: np.ndarray, sds: np.ndarray, group: Sequence[Rounded]) -> float:
    n = np.array([one.n for one in group])
    middle = float((n * means).sum() / n.sum())
    squares = ((n - 1) * sds**2).sum() + (n * (means - middle) ** 2).sum()
    return math.sqrt(float(squares) / (n.sum() - 1))


def two_sample(one: Rounded, other: Rounded, statistic: str, equal_variances: bool) -> Range:
    """t or two-sided p of one against the other, and its extremes over what rounding leaves open."""
    exact = t_test((one.mean - other.mean, one.sd, other.sd), one.n, other.n, equal_variances)[statistic]
    gap, half = one.mean - other.mean, one.mean_half + other.mean_half
    gaps = [gap - half, gap + half, *([0.0] if abs(gap) < half else [])]
    sds = [[max(0.0, each.sd - each.sd_half), each.sd + each.sd_half] for each in (one, other)]
    corners = [t_test(corner, one.n, other.n, equal_variances)[statistic] for corner in product(gaps, *sds)]
    return exact, min(corners), max(corners)


def t_test(corner: Sequence[float], n: int, m: int, equal_variances: bool) -> dict[str, float]:
    gap, first, second = corner
    if first == second == 0:
        return {"t": math.copysign(math.inf, gap) if gap else 0.0, "p": 0.0 if gap else 1.0}
    result = stats.ttest_ind_from_stats(gap, first, n, 0.0, second, m, equal_var=equal_variances)
    return {"t": float(result.statistic), "p": float(result.pvalue)}
