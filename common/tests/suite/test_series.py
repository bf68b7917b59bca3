"""Seeds that did not record at the same environment steps, brought together."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mirl.suite import series as recorded


def series(values: dict[float, float]) -> pd.Series:
    return pd.Series(values, dtype=float)


def test_seeds_that_recorded_at_the_same_steps_stay_as_they_are():
    steps, values, thinned = recorded.align([series({10: 1, 20: 2}), series({10: 3, 20: 4})])
    assert steps.tolist() == [10, 20]
    assert values.tolist() == [[1, 2], [3, 4]]
    assert not thinned


def test_seeds_with_steps_of_their_own_meet_at_the_ends_of_equal_stretches():
    first, second = series({5: 1, 10: 3, 15: 5, 20: 7}), series({7: 2, 20: 6})
    steps, values, thinned = recorded.align([first, second])
    assert steps.tolist() == [10, 20]
    assert values.tolist() == [[2, 6], [2, 6]]
    assert thinned


def test_a_long_curve_is_thinned_and_keeps_its_mean():
    rng = np.random.default_rng(0)
    long = pd.Series(rng.normal(size=6000), index=np.arange(1, 6001))
    steps, values, thinned = recorded.align([long, long])
    assert thinned
    assert len(steps) == recorded.POINTS
    assert steps[-1] == 6000
    np.testing.assert_allclose(values.mean(axis=1), long.mean(), atol=1e-12)


def test_an_empty_stretch_lies_between_its_neighbours_and_ends_are_not_invented():
    edges = np.array([0.0, 10, 20, 30, 40])
    means = recorded.stretch_means(series({5: 1, 25: 3}), edges)
    assert means[:3].tolist() == [1, 2, 3]
    assert math.isnan(means[3])
