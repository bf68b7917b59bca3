"""What doing nothing, acting at random or guessing blindly gives: below it nothing is a success, whatever its verdict.

A floor is a row of results/reference with role `floor`. Where a setting has none of its own and measures the same, the
floor of the task's first setting stands in for it, and is said to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mirl.suite.experiments import Budget, Metric, Task
from mirl.suite.records import Reference
from mirl.verdict.statistics import difference_interval, known, summarise

AboveFloor = Literal["yes", "no", "not surely"]
LEVEL = 0.05


@dataclass(frozen=True)
class Floor:
    """The floor that a task, in one of its settings, has to beat."""

    value: float
    policy: str
    """What gives it: 'zero action', 'blind guess of the corner'."""
    borrowed_from: str
    """The setting in which it was measured, where that is another one; else ''."""
    higher_is_better: bool

    def __str__(self) -> str:
        place = f" in the {self.borrowed_from} setting" if self.borrowed_from else ""
        return f"{self.policy} gives {self.value:g}{place}"


def rows_of(references: Sequence[Reference], name: str, task: Task, budget: Budget) -> list[Reference]:
    """A task's rows, without floors where those do not hold for the budget."""
    floors = task.budgets[budget].floors
    return [row for row in references if row.task == name and (floors or row.role != "floor")]


def floor_of(references: Sequence[Reference], task: Task, setting: str) -> Floor | None:
    """The floor that is hardest to beat in a setting of a task; None where none is known.

    `references`: see rows_of.
    """
    judged = task.in_setting(setting)
    for one in (judged, task) if measure_alike(judged.metric, task.metric) else (judged,):
        rows = [row for row in references if row.role == "floor" and row.metric == one.metric.name]
        if rows:
            best = max(rows, key=lambda row: row.value if one.metric.higher_is_better else -row.value)
            borrowed = "" if one.metric.name == judged.metric.name else task.setting
            return Floor(best.value, policy_of(best), borrowed, one.metric.higher_is_better)
    return None


def measure_alike(one: Metric, other: Metric) -> bool:
    """Whether two metrics are of one quantity, the word after the slash: `eval/return_moderate`, `train/return`."""
    kinds = {metric.name.partition("/")[2].partition("_")[0] for metric in (one, other)}
    return len(kinds) == 1 and one.higher_is_better == other.higher_is_better


def policy_of(floor: Reference) -> str:
    """Named in the row's setting ('training; zero action'), or else at the head of its source."""
    return floor.setting.partition("; ")[2] or floor.source.partition(":")[0]


def above(values: Sequence[float], floor: Floor) -> AboveFloor:
    """Whether the mean of some seeds is above a floor: `yes` by a one-sided t-test at 5 %; one seed is never sure."""
    sign = 1.0 if floor.higher_is_better else -1.0
    ours = summarise([sign * value for value in values])
    if not ours.mean > sign * floor.value:
        return "no"
    if ours.n < 2:
        return "not surely"
    low, _ = difference_interval(ours, known(sign * floor.value), 1 - 2 * LEVEL)
    return "yes" if low > 0 else "not surely"


def compare_with_floor(values: Sequence[float], floor: Floor | None) -> tuple[AboveFloor | None, str]:
    """The finding, and a sentence where it is not `yes`. (None, '') where there is no floor or no number."""
    if floor is None or not values or not all(map(math.isfinite, values)):
        return None, ""
    finding = above(values, floor)
    sentence = {"yes": "", "no": f"not above the floor, {floor}", "not surely": f"not surely above the floor, {floor}"}
    return finding, sentence[finding]
