"""The statistics of a verdict, as pure functions of samples or of what a paper prints (mean, sd, n).

Sources: Agarwal et al. 2021 (interquartile mean, stratified bootstrap, probability of improvement), Welch 1947, Fisher
1935, Schuirmann 1987 (two one-sided tests), Holm 1979, Colas et al. 2019 (why Welch, and why five seeds are few).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]
Pair = tuple[Sequence[float], Sequence[float]]
BOOTSTRAP_SEED = 0
REPETITIONS = 2000
LEAST_FOR_INTERVAL = 3
"""Seeds below which no interval is printed: of two it would be 12.7 sds wide on either side."""


@dataclass(frozen=True)
class Summary:
    """All that a t-test needs to know of a sample. `sd` is the sample's (n - 1 in the denominator), NaN for n = 1."""

    mean: float
    sd: float
    n: int

    @property
    def squared_error(self) -> float:
        """Variance of the mean."""
        return self.sd**2 / self.n


def summarise(values: Sequence[float]) -> Summary:
    """Mean, sd and n of at least one value."""
    return Summary(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan, len(values))


def known(value: float) -> Summary:
    """A number taken as exact: Welch's test against it is the one-sample t-test."""
    return Summary(value, 0.0, 2)


def sd_of(spread: float, kind: str, n: int | None) -> float | None:
    """Standard deviation behind a printed spread (sd, sem, or half of a 95 % t-interval); None where n is needed."""
    if kind == "sd":
        return spread
    if n is None or n < 2:
        return None
    if kind == "sem":
        return spread * math.sqrt(n)
    return spread * math.sqrt(n) / float(stats.t.ppf(0.975, n - 1))


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, bounds: Interval = (-math.inf, math.inf)
) -> Interval | None:
    """Student's t interval of the mean; None for fewer than three values, or where none differs from another.

    It ends at `bounds`, between which every value lies: so does the mean, and the cut costs no coverage.
    Its coverage over seeds of several laws is in docs/error-rates.md (`mirl simulate`).
    """
    summary = summarise(values)
    if summary.n < LEAST_FOR_INTERVAL or not summary.sd > 0:
        return None
    half = float(stats.t.ppf((1 + confidence) / 2, summary.n - 1)) * math.sqrt(summary.squared_error)
    return max(summary.mean - half, bounds[0]), min(summary.mean + half, bounds[1])


# Differences of two means; both samples need n >= 2.


def welch_p(ours: Summary, reference: Summary) -> float:
    """Two-sided p of 'the means are equal', variances not assumed equal."""
    return _one_test(ours, reference, 0.0, "two-sided")


def equivalence_p(ours: Summary, reference: Summary, margin: float) -> float:
    """p of 'the means differ by `margin` or more' (TOST): the larger of two one-sided Welch tests. `margin` > 0."""
    above = _one_test(ours, reference, -margin, "greater")
    below = _one_test(ours, reference, margin, "less")
    return max(above, below)


def _one_test(ours: Summary, reference: Summary, offset: float, alternative: str) -> float:
    """Welch's test of ours - reference against `offset`."""
    difference = ours.mean - reference.mean - offset
    if ours.squared_error + reference.squared_error == 0:  # two exact numbers: no test is needed to compare them
        true = {"two-sided": difference != 0, "greater": difference > 0, "less": difference < 0}[alternative]
        return 0.0 if true else 1.0
    result = stats.ttest_ind_from_stats(
        ours.mean - offset, ours.sd, ours.n, reference.mean, reference.sd, reference.n, equal_var=False,
        alternative=alternative,
    )  # fmt: skip
    return float(result.pvalue)


def difference_interval(ours: Summary, reference: Summary, confidence: float = 0.95) -> Interval:
    """Welch's interval for ours - reference. TOST holds at level a where the 1 - 2a interval fits the margin."""
    difference = ours.mean - reference.mean
    errors = ours.squared_error, reference.squared_error
    if sum(errors) == 0:
        return difference, difference
    freedom = float(degrees_of_freedom(*errors, ours.n, reference.n))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(sum(errors))
    return difference - half, difference + half


def degrees_of_freedom(ours: npt.ArrayLike, theirs: npt.ArrayLike, n: int, reference_n: int) -> Array:
    """Of Welch's t, from the variances of both means, not both 0 (Welch 1947, Satterthwaite 1946)."""
    own, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    return np.asarray((own + other) ** 2 / (own**2 / (n - 1) + other**2 / (reference_n - 1)))


# Bootstrap, through rliable.


def iqm_interval(
    values: Sequence[float], seed: int = BOOTSTRAP_SEED, repetitions: int = REPETITIONS
) -> Interval | None:
    """95 % percentile bootstrap interval of the interquartile mean; None for fewer than four values, where it is the
    mean. Whoever prints it says that it is a bootstrap's: over few seeds such intervals are too narrow.
    """
    if len(values) < 4:
        return None
    scores = np.asarray(values, dtype=float)[:, None]
    low, high = _intervals([scores], lambda drawn: np.array([interquartile_mean(drawn)]), seed, repetitions)
    return float(low[0]), float(high[0])


def interquartile_mean(scores: npt.ArrayLike) -> float:
    """Mean of the middle half, as rliable.metrics.aggregate_iqm; by hand, because that takes ten times as long."""
    ordered = np.sort(scores, axis=None)
    cut = ordered.size // 4
    return float(ordered[cut : ordered.size - cut].mean())


def improvement(better: Sequence[float] | Array, worse: Sequence[float] | Array) -> float:
    """Probability that a run of the first is above a run of the second; ties count half (Mann-Whitney U / nm)."""
    difference = np.asarray(better)[:, None] - np.asarray(worse)[None, :]
    return float(np.mean((np.sign(difference) + 1) / 2))


def improvement_interval(
    pairs: Sequence[Pair], seed: int = BOOTSTRAP_SEED, repetitions: int = REPETITIONS
) -> tuple[float, Interval]:
    """Probability of improvement, averaged over tasks, with its 95 % interval; seeds are drawn within each task.

    `pairs`: for every task the runs of the method said to be better and of the other, higher is better.
    """

    def average(*samples: Array) -> Array:
        chances = [improvement(a[:, 0], b[:, 0]) for a, b in zip(samples[::2], samples[1::2], strict=True)]
        return np.array([np.mean(chances)])

    samples = [np.asarray(values, dtype=float)[:, None] for pair in pairs for values in pair]
    low, high = _intervals(samples, average, seed, repetitions)
    return float(average(*samples)[0]), (float(low[0]), float(high[0]))


def _intervals(
    samples: Sequence[Array], aggregate: Callable[..., Array], seed: int, repetitions: int
) -> tuple[Array, Array]:
    from rliable import library

    scores = {"ours": samples[0] if len(samples) == 1 else list(samples)}
    with _numpy_seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # rliable calls arch by a name that arch will drop
        _, intervals = library.get_interval_estimates(scores, aggregate, reps=repetitions)
    low, high = intervals["ours"]
    return low, high


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """NumPy's global generator, seeded and put back: rliable 1.2.0 draws from it whatever `random_state` says."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


# Claims.


def improvement_p(pairs: Sequence[Pair]) -> float:
    """Two-sided p of 'neither method is better on any task': the exact permutation test of the probability of
    improvement. Runs change their method within their task only; every assignment counts, ties as they are.
    """
    units = math.lcm(*(2 * len(better) * len(worse) for better, worse in pairs))
    total, chances = 0, np.ones(1)
    for better, worse in pairs:
        n, size = len(better), 2 * len(better) * len(worse)
        ranks = np.rint(2 * stats.rankdata([*better, *worse])).astype(int)  # doubled: ranks of ties are halves
        total += (int(ranks[:n].sum()) - n * (n + 1)) * (units // size)
        spread = np.zeros(units + 1)
        spread[:: units // size] = _wins_by_chance(tuple(sorted(ranks.tolist())), n)
        chances = np.convolve(chances, spread)
    middle = units * len(pairs) / 2
    as_far = np.abs(np.arange(len(chances)) - middle) >= abs(total - middle)
    return min(1.0, float(chances[as_far].sum()))


@lru_cache(maxsize=4096)
def _wins_by_chance(doubled_ranks: tuple[int, ...], n: int) -> Array:
    """Chance of each value of 2U, 0 to 2n(N - n), where n of the N ranks are drawn for the first method."""
    highest = sum(doubled_ranks)
    ways = np.zeros((n + 1, highest + 1))
    ways[0, 0] = 1.0
    for rank in doubled_ranks:
        ways[1:, rank:] += ways[:-1, : highest + 1 - rank]
    least = n * (n + 1)
    chances: Array = ways[n, least : least + 2 * n * (len(doubled_ranks) - n) + 1] / math.comb(len(doubled_ranks), n)
    return chances


def least_improvement_p(seeds: Sequence[tuple[int, int]]) -> float:
    """The smallest p that improvement_p can give, with every run of one method above every run of the other.

    `seeds`: for every task how many runs either method has.
    """
    return min(1.0, 2 / math.prod(math.comb(n + m, n) for n, m in seeds))


def solved_p(solved: int, n: int, reference_solved: int, reference_n: int) -> float:
    """Two-sided p of 'the share of solved seeds is the same': Fisher's exact test."""
    table = [[solved, n - solved], [reference_solved, reference_n - reference_solved]]
    return float(stats.fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, family-wise (Holm).

    By hand: statsmodels' multipletests collects garbage at every call, which takes a quarter of a second.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled)) if len(p_values) else []
    return [float(p) for p in corrected]
