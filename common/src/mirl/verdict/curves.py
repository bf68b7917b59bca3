"""Learning curves in two numbers, told beside a verdict and never judged: area, and steps to a registered threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def area_under_curve(env_steps: npt.ArrayLike, values: npt.ArrayLike, until: float) -> float | None:
    """Mean height of a curve over [0, until], in the values' unit; trapezoids between the recorded points.

    env_steps, values: (points,), not falling in env_steps. The first value is held back to 0 and the last one on to
    `until`; points beyond `until` do not count. NaN stands where nothing was drawn and is left out; None where nothing
    else is there.
    """
    steps, heights = drawn(env_steps, values)
    if not len(steps):
        return None
    within = steps <= until
    if not within.any():
        return float(heights[0])
    end = np.interp(until, steps, heights)
    steps, heights = steps[within], heights[within]
    steps = np.concatenate([[0.0], steps, [until]])
    heights = np.concatenate([heights[:1], heights, [end]])
    return float(np.trapezoid(heights, steps) / until)


def steps_to_threshold(
    env_steps: npt.ArrayLike, values: npt.ArrayLike, threshold: float, higher_is_better: bool = True
) -> int | None:
    """The first recorded env step at which a curve is at the threshold or beyond; None: never, it is censored."""
    steps, heights = drawn(env_steps, values)
    reached = heights >= threshold if higher_is_better else heights <= threshold
    return int(steps[reached][0]) if reached.any() else None


def median_steps(steps: Sequence[int | None]) -> float | None:
    """Median over seeds in which one that never gets there counts as infinite; None where the median is not reached.

    Leaving out the seeds that never get there would reward a method for failing.
    """
    if not steps:
        return None
    ordered = sorted(math.inf if one is None else one for one in steps)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return None if math.isinf(middle) else middle


def drawn(env_steps: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Array, Array]:
    """The points that hold a number."""
    steps, heights = np.asarray(env_steps, dtype=float), np.asarray(values, dtype=float)
    keep = ~np.isnan(heights)
    return steps[keep], heights[keep]
