"""The statistics of a verdict, as pure functions of samples or of what a paper prints (mean, sd, n).

Sources: Agarwal et al. 2021 (interquartile mean, stratified bootstrap, probability of improvement), Welch 1947,
Schuirmann 1987 (two one-sided tests), Holm 1979, Colas et al. 2019 (why Welch, and why five seeds are few).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]
Pair = tuple[Sequence[float], Sequence[float]]
BOOTSTRAP_SEED = 0
REPETITIONS = 2000


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
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (ours.n - 1) + errors[1] ** 2 / (reference.n - 1))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(sum(errors))
    return difference - half, difference + half


# Bootstrap, through rliable.


@dataclass(frozen=True)
class Bootstrap:
    """Aggregates of one sample with 95 % percentile intervals, None where there is one value only."""

    mean: float
    iqm: float
    """Interquartile mean: a quarter of the values is cut off at each end (of n < 4 none)."""
    mean_interval: Interval | None
    iqm_interval: Interval | None


def bootstrap(values: Sequence[float], seed: int = BOOTSTRAP_SEED, repetitions: int = REPETITIONS) -> Bootstrap:
    """Mean and IQM of one task's seeds, with 95 % bootstrap intervals."""

    def aggregates(scores: Array) -> Array:
        return np.array([scores.mean(), interquartile_mean(scores)])

    scores = np.asarray(values, dtype=float)[:, None]
    mean, middle = aggregates(scores).tolist()
    if len(values) < 2:
        return Bootstrap(mean, middle, None, None)
    low, high = _intervals([scores], aggregates, seed, repetitions)
    return Bootstrap(mean, middle, (float(low[0]), float(high[0])), (float(low[1]), float(high[1])))


def interquartile_mean(scores: Array) -> float:
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


def improvement_p(pairs: Sequence[Pair], seed: int = BOOTSTRAP_SEED, permutations: int = 9999) -> float:
    """Two-sided p of 'neither method is better on any task': a permutation test of the probability of improvement.

    Runs change their method within their task only. With five seeds each and one task it cannot fall below 2/252.
    """
    generator = np.random.default_rng(seed)
    observed, shuffled = 0.0, np.zeros(permutations)
    for better, worse in pairs:
        n = len(better)
        ranks = stats.rankdata([*better, *worse])  # the rank sum is U, up to a constant
        scale, least = n * len(worse), n * (n + 1) / 2
        observed += (ranks[:n].sum() - least) / scale - 0.5
        orders = generator.permuted(np.tile(ranks, (permutations, 1)), axis=1)
        shuffled += (orders[:, :n].sum(axis=1) - least) / scale - 0.5
    as_far = np.abs(shuffled) >= abs(observed) - 1e-12
    return float((1 + as_far.sum()) / (1 + permutations))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, family-wise (Holm).

    By hand: statsmodels' multipletests collects garbage at every call, which takes a quarter of a second.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled)) if len(p_values) else []
    return [float(p) for p in corrected]
