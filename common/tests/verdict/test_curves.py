from __future__ import annotations

import pytest

from mirl.verdict.curves import area_under_curve, median_steps, steps_to_threshold

NAN = float("nan")


@pytest.mark.parametrize(
    ("steps", "values", "area"),
    [
        ([0, 100], [0.0, 1.0], 0.5),  # a triangle
        ([50, 100], [1.0, 1.0], 1.0),  # the first value is held back to 0
        ([0, 50], [0.0, 1.0], 0.75),  # the last one is held on
        ([0, 50, 100], [0.0, 1.0, 0.0], 0.5),
        ([0, 200], [0.0, 2.0], 0.5),  # beyond the budget nothing counts, and the cut is interpolated
        ([150], [3.0], 3.0),
        ([0, 50, 100], [0.0, NAN, 1.0], 0.5),  # where nothing was drawn the curve goes straight on
        ([0], [4.0], 4.0),
    ],
)
def test_the_area_is_the_mean_height_over_the_budget(steps: list[int], values: list[float], area: float) -> None:
    assert area_under_curve(steps, values, 100) == pytest.approx(area)


def test_the_area_equals_scipys_trapezoid_where_the_curve_fills_the_budget() -> None:
    from scipy.integrate import trapezoid

    steps, values = [0, 10, 35, 60, 100], [1.0, 4.0, -2.0, 8.0, 5.0]
    assert area_under_curve(steps, values, 100) == pytest.approx(trapezoid(values, steps) / 100)


def test_a_curve_without_a_number_has_no_area() -> None:
    assert area_under_curve([], [], 100) is None
    assert area_under_curve([1, 2], [NAN, NAN], 100) is None


def test_the_first_step_at_the_threshold_counts_even_if_the_curve_falls_again() -> None:
    assert steps_to_threshold([10, 20, 30, 40], [0.1, NAN, 0.5, 0.2], 0.5) == 30
    assert steps_to_threshold([10, 20], [5.0, 3.0], 3.0, higher_is_better=False) == 20
    assert steps_to_threshold([10, 20], [0.1, 0.2], 0.5) is None
    assert steps_to_threshold([], [], 0.5) is None


def test_seeds_that_never_get_there_count_as_infinite_in_the_median() -> None:
    assert median_steps([30, 10, 20]) == 20
    assert median_steps([30, 10, None]) == 30  # leaving the third out would say 20
    assert median_steps([10, None, None]) is None
    assert median_steps([10, 20, None, None]) is None
    assert median_steps([]) is None
