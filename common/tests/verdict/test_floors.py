from __future__ import annotations

from typing import Any

import pytest
from on_disk import task

from mirl.suite.experiments import Task
from mirl.suite.records import Reference
from mirl.verdict.floors import AboveFloor, above, compare_with_floor, floor_of, rows_of

FAR = {"metric": {"name": "eval/return_far", "unit": "points"}, "margin": 10.0}
TASK = Task.model_validate(task(setting="near", settings={"far": FAR}))


def floor(value: float, **changes: Any) -> Reference:
    cells = {
        "task": "line", "method": "any", "setting": "near; zero action", "metric": "eval/return", "env_steps": None,
        "value": value, "spread": None, "spread_kind": "", "n": None, "unit": "points", "role": "floor",
        "provenance": "measured", "source": "blind guess: Table 9", "note": "",
    }  # fmt: skip
    return Reference.model_validate({**cells, **changes})


def test_the_floor_that_is_hardest_to_beat_counts() -> None:
    found = floor_of([floor(3.0), floor(7.0, setting="near; random actions"), floor(5.0)], TASK, "near")
    assert str(found) == "random actions gives 7"


def test_of_a_metric_that_should_be_low_the_lowest_floor_is_the_hardest() -> None:
    metric = {"name": "eval/return", "unit": "s", "higher_is_better": False}
    found = floor_of([floor(3.0), floor(7.0)], Task.model_validate(task(metric=metric)), "")
    assert found is not None
    assert found.value == 3.0
    assert [above([value] * 5, found) for value in (2.9, 3.0, 3.1)] == ["yes", "no", "no"]


def test_a_setting_without_a_floor_borrows_that_of_the_first_and_says_so() -> None:
    assert str(floor_of([floor(7.0)], TASK, "far")) == "zero action gives 7 in the near setting"
    own = floor(2.0, metric="eval/return_far", setting="far")
    assert str(floor_of([floor(7.0), own], TASK, "far")) == "blind guess gives 2"


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "eval/reward_error", "higher_is_better": False},  # as of MuMMI's probes
        {"name": "eval/return_drop", "higher_is_better": False},
        {"name": "train/solved"},
    ],
)
def test_a_setting_that_measures_something_else_borrows_no_floor(metric: dict[str, Any]) -> None:
    settings = {"far": {"metric": {"unit": "", **metric}, "margin": 0.1}}
    registered = Task.model_validate(task(setting="near", settings=settings))
    assert floor_of([floor(7.0)], registered, "far") is None
    assert floor_of([floor(7.0)], registered, "near") is not None


def test_floors_of_whole_episodes_do_not_hold_for_shorter_ones() -> None:
    short = task()
    short["budgets"]["workstation"]["floors"] = False
    rows = [floor(7.0), floor(9.0, role="ceiling"), floor(7.0, task="other")]
    registered = Task.model_validate(short)
    assert [row.role for row in rows_of(rows, "line", registered, "paper")] == ["floor", "ceiling"]
    assert [row.role for row in rows_of(rows, "line", registered, "workstation")] == ["ceiling"]


def test_ceilings_and_results_are_no_floors() -> None:
    assert floor_of([floor(7.0, role="ceiling"), floor(7.0, role="result", method="ours")], TASK, "near") is None


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ([6.0, 6.5, 7.0, 6.2, 6.1], "no"),
        ([7.0] * 5, "no"),  # as good as doing nothing is not better
        ([7.1, 7.0, 12.0, 3.0, 9.0], "not surely"),
        ([9.0], "not surely"),
        ([8.0, 8.1, 8.2, 7.9, 8.0], "yes"),
        ([7.1] * 5, "yes"),
    ],
)
def test_above_needs_a_test(values: list[float], finding: AboveFloor) -> None:
    known = floor_of([floor(7.0)], TASK, "near")
    assert compare_with_floor(values, known) == (
        finding,
        {"yes": "", "no": "not above the floor, zero action gives 7"}.get(
            finding, "not surely above the floor, zero action gives 7"
        ),
    )


def test_without_a_floor_or_a_number_nothing_is_said() -> None:
    known = floor_of([floor(7.0)], TASK, "near")
    assert compare_with_floor([1.0], None) == (None, "")
    assert compare_with_floor([], known) == (None, "")
    assert compare_with_floor([1.0, float("nan")], known) == (None, "")


def test_surely_above_is_wrong_in_at_most_one_case_of_twenty() -> None:
    """Seeds whose true mean is the floor itself."""
    import numpy as np

    known, generator = floor_of([floor(7.0)], TASK, "near"), np.random.default_rng(0)
    assert known is not None
    wrong = np.mean([above(list(generator.normal(7.0, 3.0, 5)), known) == "yes" for _ in range(1000)])
    assert wrong < 0.05 + 3 * (0.05 * 0.95 / 1000) ** 0.5
