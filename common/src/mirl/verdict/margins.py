"""The one rule that margins follow: a tenth of the metric's scale, in two digits.

The scale is the ceiling that results/reference knows of a task's metric; where it knows none, the mean over methods of
what the paper reports. Where it has neither, the margin says in reproduce.yaml where it comes from (`margin_source`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mirl.suite.experiments import Task
from mirl.suite.records import Reference

SHARE = 0.1
"""Of the scale that a margin is."""


def scale_of(references: Sequence[Reference], name: str, task: Task) -> float | None:
    """What a task's metric is measured by; None where nothing is known. `task`: in the setting that is meant."""
    rows = [row for row in references if (row.task, row.metric) == (name, task.metric.name)]
    ceilings = [row.value for row in rows if row.role == "ceiling" and row.method == "any"]
    if ceilings:
        return max(ceilings)
    reported = [row.value for row in rows if row.role == "result"]
    return sum(reported) / len(reported) if reported else None


def margin_of(scale: float) -> float:
    """A tenth, in two digits."""
    tenth = SHARE * abs(scale)
    return round(tenth, 1 - math.floor(math.log10(tenth)))


def reported_range(references: Sequence[Reference], name: str, task: Task) -> float | None:
    """How far apart the reported methods are in a setting; None for fewer than two.

    A margin as wide as that calls all of them equivalent to one another.
    """
    values = [
        row.value
        for row in references
        if (row.task, row.metric, row.role) == (name, task.metric.name, "result") and row.method in task.methods
    ]
    return max(values) - min(values) if len(values) > 1 else None


def is_coarse(references: Sequence[Reference], name: str, task: Task) -> bool:
    """Whether the margin is as wide as all that the paper tells apart."""
    apart = reported_range(references, name, task)
    return apart is not None and apart <= task.margin and task.metric.solved_at is None
