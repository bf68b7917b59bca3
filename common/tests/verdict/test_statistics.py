from __future__ import annotations

import math
import warnings
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from mirl.verdict import statistics
from mirl.verdict.statistics import Summary, difference_interval, equivalence_p, summarise, welch_p

# The first of the three examples in the literature on Welch's test (equal n, variances 7.5 and 3.9).
FIRST = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
SECOND = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]


@pytest.fixture
def samples() -> tuple[list[float], list[float]]:
    generator = np.random.default_rng(3)
    return list(generator.normal(10, 2, 7)), list(generator.normal(11, 5, 5))


def test_welch_gives_the_published_p() -> None:
    assert welch_p(summarise(FIRST), summarise(SECOND)) == pytest.approx(0.021, abs=5e-4)


def test_welch_from_summaries_equals_scipy_on_samples(samples: tuple[list[float], list[float]]) -> None:
    ours, reference = samples
    expected = stats.ttest_ind(ours, reference, equal_var=False).pvalue
    assert welch_p(summarise(ours), summarise(reference)) == pytest.approx(expected, rel=1e-12)


def test_equivalence_gives_the_published_p() -> None:
    """Lakens 2017, Equivalence tests, first example: t(182) = -2.69, p = .004 for bounds of d = 0.43."""
    margin = 0.43 * math.sqrt((0.95**2 + 0.83**2) / 2)
    assert equivalence_p(Summary(5.25, 0.95, 95), Summary(5.22, 0.83, 89), margin) == pytest.approx(0.004, abs=2e-4)


@pytest.mark.parametrize("margin", [0.5, 3.0, 8.0])
def test_equivalence_equals_statsmodels_on_samples(samples: tuple[list[float], list[float]], margin: float) -> None:
    from statsmodels.stats.weightstats import ttost_ind

    ours, reference = samples
    expected = ttost_ind(np.array(ours), np.array(reference), -margin, margin, usevar="unequal")[0]
    assert equivalence_p(summarise(ours), summarise(reference), margin) == pytest.approx(expected, rel=1e-9)


def test_equivalence_holds_exactly_where_the_ninety_percent_interval_fits_the_margin() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        ours, reference = summarise(list(generator.normal(0, 1, 6))), summarise(list(generator.normal(0, 2, 5)))
        low, high = difference_interval(ours, reference, 0.9)
        margin = generator.uniform(0.5, 4)
        assert (equivalence_p(ours, reference, margin) <= 0.05) == (-margin <= low and high <= margin)


def test_the_interval_of_a_difference_equals_statsmodels(samples: tuple[list[float], list[float]]) -> None:
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    ours, reference = samples
    expected = CompareMeans(DescrStatsW(ours), DescrStatsW(reference)).tconfint_diff(usevar="unequal")
    assert difference_interval(summarise(ours), summarise(reference)) == pytest.approx(expected, rel=1e-9)


def test_a_known_mean_makes_it_the_one_sample_test(samples: tuple[list[float], list[float]]) -> None:
    ours, _ = samples
    expected = stats.ttest_1samp(ours, 9.0)
    interval = expected.confidence_interval(0.9)
    assert welch_p(summarise(ours), statistics.known(9.0)) == pytest.approx(expected.pvalue, rel=1e-9)
    assert difference_interval(summarise(ours), statistics.known(9.0), 0.9) == pytest.approx(
        (interval.low - 9, interval.high - 9), rel=1e-9
    )


def test_samples_without_variance_are_compared_as_numbers() -> None:
    one, other = summarise([1.0] * 5), summarise([2.0] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert welch_p(one, one) == 1
        assert welch_p(one, other) == 0
        assert equivalence_p(one, other, 1.5) == 0
        assert equivalence_p(one, other, 0.5) == 1
        assert difference_interval(one, other) == (-1, -1)


@pytest.mark.parametrize("kind", ["sem", "ci95"])
def test_a_printed_spread_gives_the_standard_deviation_back(kind: str) -> None:
    values = [3.0, 5.0, 4.0, 7.0, 1.0]
    spread = {
        "sem": float(stats.sem(values)),
        "ci95": float(stats.ttest_1samp(values, 0).confidence_interval(0.95).high - np.mean(values)),
    }[kind]
    assert statistics.sd_of(spread, kind, 5) == pytest.approx(np.std(values, ddof=1))
    assert statistics.sd_of(spread, kind, None) is None


def test_the_interquartile_mean_equals_rliable() -> None:
    from rliable import metrics

    generator = np.random.default_rng(1)
    for n in (1, 2, 3, 4, 5, 8, 11):
        values = generator.normal(size=n)
        assert statistics.interquartile_mean(values) == pytest.approx(metrics.aggregate_iqm(values[:, None]))


def test_the_interval_of_a_mean_is_students() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0]
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert statistics.mean_interval(values) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_a_share_ends_where_shares_end() -> None:
    high, low, inside = [1.0, 1.0, 0.9, 1.0, 0.8], [0.0, 0.0, 0.1, 0.0, 0.2], [0.5, 0.6, 0.4]
    assert (statistics.mean_interval(high) or (0, 0))[1] > 1
    assert statistics.mean_interval(high, bounds=(0, 1)) == ((statistics.mean_interval(high) or (0, 0))[0], 1)
    assert statistics.mean_interval(low, bounds=(0, 1)) == (0, (statistics.mean_interval(low) or (0, 0))[1])
    assert statistics.mean_interval(inside, bounds=(0, 1)) == statistics.mean_interval(inside)


def test_no_interval_is_given_below_three_seeds_or_without_spread() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert statistics.mean_interval([3.0]) is None
        assert statistics.mean_interval([1.0, 2.0]) is None
        assert statistics.mean_interval([0.3] * 5) is None
        assert statistics.iqm_interval([1.0, 2.0, 3.0]) is None
        assert statistics.iqm_interval([0.3] * 5, repetitions=50) == pytest.approx((0.3, 0.3))


def test_the_bootstrap_is_reproducible_and_leaves_the_global_generator_alone() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0]
    np.random.seed(7)
    expected = np.random.get_state(legacy=False)["state"]["key"]
    first = statistics.iqm_interval(values, seed=1, repetitions=200)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], expected)
    np.random.seed(8)
    assert statistics.iqm_interval(values, seed=1, repetitions=200) == first
    assert statistics.iqm_interval(values, seed=2, repetitions=200) != first


def test_the_interval_of_the_interquartile_mean_is_the_percentile_interval() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0, 3.0]
    expected = stats.bootstrap(
        (values,), statistics.interquartile_mean, method="percentile", n_resamples=5000, rng=0, vectorized=False
    ).confidence_interval
    assert statistics.iqm_interval(values) == pytest.approx(expected, abs=0.25)


def test_the_probability_of_improvement_equals_rliable() -> None:
    from rliable import metrics

    generator = np.random.default_rng(2)
    better, worse = generator.integers(0, 5, (6, 3)).astype(float), generator.integers(0, 5, (4, 3)).astype(float)
    pairs = [(list(better[:, task]), list(worse[:, task])) for task in range(3)]
    probability, interval = statistics.improvement_interval(pairs, repetitions=200)
    assert probability == pytest.approx(metrics.probability_of_improvement(better, worse))
    assert interval[0] < probability < interval[1]


def test_the_improvement_test_of_one_task_is_the_exact_mann_whitney_test() -> None:
    generator = np.random.default_rng(4)
    for shift in (0.0, 0.8, 1.5):
        better, worse = list(generator.normal(shift, 1, 5)), list(generator.normal(0, 1, 5))
        expected = stats.mannwhitneyu(better, worse, method="exact").pvalue
        assert statistics.improvement_p([(better, worse)]) == pytest.approx(expected, rel=1e-9)


def test_the_improvement_test_over_tasks_is_the_whole_permutation_distribution() -> None:
    """Every assignment of two small tasks of different size, by hand, with a tie."""
    pairs = [([1.0, 4.0, 4.0], [2.0, 4.0]), ([5.0, 9.0], [1.0, 7.0, 3.0])]

    def advantages(pair: tuple[list[float], list[float]]) -> list[float]:
        runs, n = [*pair[0], *pair[1]], len(pair[0])
        found = []
        for chosen in combinations(range(len(runs)), n):
            others = [runs[i] for i in range(len(runs)) if i not in chosen]
            found.append(statistics.improvement([runs[i] for i in chosen], others) - 0.5)
        return found

    sums = [a + b for a, b in product(*map(advantages, pairs))]
    observed = sum(statistics.improvement(*pair) - 0.5 for pair in pairs)
    expected = np.mean([abs(one) >= abs(observed) - 1e-12 for one in sums])
    assert statistics.improvement_p(pairs) == pytest.approx(expected, rel=1e-12)


def test_the_improvement_test_keeps_its_level_over_tasks_of_different_scale() -> None:
    generator = np.random.default_rng(5)

    def runs(scale: float) -> list[float]:
        return list(scale * generator.normal(size=5))

    p_values = [
        statistics.improvement_p([(runs(scale), runs(scale)) for scale in (1.0, 100.0, 10_000.0)]) for _ in range(600)
    ]
    assert np.mean(np.array(p_values) <= 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_many_tasks_reach_what_one_task_cannot() -> None:
    clear = ([6.0, 7.0, 8.0, 9.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    for tasks in (1, 3, 9):
        least = statistics.least_improvement_p([(5, 5)] * tasks)
        assert least == pytest.approx(2 / 252**tasks)
        assert statistics.improvement_p([clear] * tasks) == pytest.approx(least, rel=1e-6)
    ten = ([float(value) for value in range(10, 20)], [float(value) for value in range(10)])
    assert statistics.improvement_p([ten]) == pytest.approx(statistics.least_improvement_p([(10, 10)]))


def test_holm_gives_the_published_example() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


def test_holm_equals_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    generator = np.random.default_rng(6)
    for n in (1, 2, 5, 9):
        p_values = [*generator.uniform(0, 0.5, n).round(2)]  # rounded, so that some are equal
        assert statistics.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_one_seed_has_no_spread_and_decides_nothing() -> None:
    one, five = summarise([3.0]), summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    assert math.isnan(one.sd)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert not welch_p(one, five) <= 0.05
        assert not equivalence_p(one, five, 100.0) <= 0.05


def test_a_value_that_is_no_number_makes_the_test_none() -> None:
    bad, five = summarise([1.0, 2.0, 3.0, 4.0, math.nan]), summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    assert not welch_p(bad, five) <= 0.05
    assert not equivalence_p(bad, five, 100.0) <= 0.05


@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_two_seeds_are_tested_as_statsmodels_does(margin: float) -> None:
    from statsmodels.stats.weightstats import ttost_ind

    ours, reference = [1.0, 1.2], [1.1, 1.4]
    assert welch_p(summarise(ours), summarise(reference)) == pytest.approx(
        stats.ttest_ind(ours, reference, equal_var=False).pvalue
    )
    expected = ttost_ind(np.array(ours), np.array(reference), -margin, margin, usevar="unequal")[0]
    assert equivalence_p(summarise(ours), summarise(reference), margin) == pytest.approx(expected)


def test_one_sample_without_variance_leaves_the_others_error() -> None:
    """Five equal seeds against a spread of theirs: the one-sample t-test with n_theirs - 1 degrees of freedom."""
    theirs = [1.0, 2.0, 3.0, 4.0, 5.5]
    expected = stats.ttest_1samp(theirs, 2.0).pvalue
    assert welch_p(summarise([2.0] * 5), summarise(theirs)) == pytest.approx(expected)


def test_ties_count_half_in_the_improvement_and_widen_its_p() -> None:
    tied = ([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    assert statistics.improvement(*tied) == 0.5
    assert statistics.improvement_p([tied]) == 1.0
    better, worse = [2.0, 2.0, 3.0, 3.0, 3.0], [2.0, 2.0, 2.0, 1.0, 1.0]

    def rank_sum(one: np.ndarray, other: np.ndarray) -> float:
        return float(stats.rankdata(np.concatenate([one, other]))[:5].sum())

    exact = stats.permutation_test((better, worse), rank_sum, n_resamples=np.inf).pvalue
    assert statistics.improvement_p([(better, worse)]) == pytest.approx(exact, rel=1e-9)


def test_solved_seeds_are_compared_by_fishers_exact_test() -> None:
    assert statistics.solved_p(5, 5, 0, 5) == pytest.approx(2 / 252)
    assert statistics.solved_p(5, 5, 1, 5) == pytest.approx(12 / 252)
    assert statistics.solved_p(0, 5, 3, 5) > 0.05
