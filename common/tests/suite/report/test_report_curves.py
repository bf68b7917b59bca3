"""Learning curves: what is averaged, where there is a gap, and how sure the mean is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mirl.suite.report import curves
from mirl.suite.series import recorded_values, stretch_means
from mirl.verdict.statistics import mean_interval


def series(values: dict[float, float]) -> pd.Series:
    return pd.Series(values, dtype=float)


def test_a_value_that_is_no_number_is_a_gap_and_not_bridged():
    table = pd.DataFrame({"env_step": [10, 20, 30], "name": "eval/return", "value": [1.0, np.inf, 3.0]})
    recorded = recorded_values(table, "eval/return")
    drawn = curves.curve("ours", {0: recorded, 1: series({10: 2, 20: 2, 30: 2}), 2: series({10: 3, 20: 1, 30: 4})})
    assert [math.isnan(value) for value in drawn.mean] == [False, True, False]
    assert [math.isnan(value) for value in drawn.low] == [False, True, False]
    edges = np.array([0.0, 15, 25, 35])
    assert math.isnan(stretch_means(recorded, edges)[1])


def test_the_interval_is_the_one_that_verdicts_use():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(5, 3))
    low, high = curves.mean_interval(values)
    for point in range(3):
        assert (low[point], high[point]) == pytest.approx(mean_interval(values[:, point].tolist()))
    assert np.isnan(curves.mean_interval(values[:2])).all()
    cut = curves.mean_interval(values, (0.0, 1.0))
    np.testing.assert_array_equal(cut, (np.maximum(low, 0), np.minimum(high, 1)))


def test_a_single_seed_has_a_mean_and_no_interval():
    drawn = curves.curve("ours", {3: series({1: 5, 2: 6})})
    assert drawn.mean.tolist() == [5, 6]
    assert np.isnan([drawn.low, drawn.high]).all()


def test_the_registered_metric_comes_first_then_its_kin_and_losses_not_at_all():
    names = ["loss/value", "train/length", "train/adapted_return", "train/return", "eval/return", "time/update_s"]
    rows = [{"env_step": step, "name": name, "value": 0.0} for name in names for step in (1, 2)]
    rows.append({"env_step": 2, "name": "eval/once", "value": 0.0})
    found = curves.curve_names([pd.DataFrame(rows)], ["eval/return"])
    assert found == ["eval/return", "train/return", "train/adapted_return", "train/length"]
    once = curves.curve_names([pd.DataFrame(rows)], ["eval/return_training"])  # which is recorded at the end alone
    assert once[:2] == ["eval/return", "train/return"]


def test_training_is_smoothed_as_mirl_plot_does_and_evaluations_are_not():
    recorded = series({1: 0, 2: 10, 3: 20, 4: 30, 5: 40, 6: 100})
    assert curves.smoothed(recorded, "eval/return").equals(recorded)
    assert curves.smoothed(recorded, "train/return").tolist() == [0, 5, 10, 15, 20, 40]
