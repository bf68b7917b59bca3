"""What runs recorded of a metric over training, and the environment steps at which seeds can be averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
POINTS = 200
"""A curve of more recorded values is drawn by the means of so many stretches."""


def recorded_values(table: pd.DataFrame, name: str) -> pd.Series:
    """A metric's values by environment step; of several at one step the last. An infinite one counts as no number."""
    rows = table[table["name"] == name].drop_duplicates("env_step", keep="last").sort_values("env_step")
    return rows.set_index("env_step")["value"].replace([np.inf, -np.inf], np.nan)


def running_mean(series: pd.Series, points: int) -> pd.Series:
    """Over a seed's own last `points` recorded values; over fewer at its beginning."""
    return series.rolling(points, min_periods=1).mean()


def align(recorded: Sequence[pd.Series], points: int = POINTS) -> tuple[Array, Array, bool]:
    """Common environment steps (points,), each seed's values there (seeds, points), and whether they were averaged.

    Seeds that recorded at the same few steps stay as they are. Others are cut into equal stretches, no more than the
    seed with the fewest values has; a point is the mean of what a seed recorded since the point before.
    """
    steps = recorded[0].index
    if len(steps) <= points and all(one.index.equals(steps) for one in recorded):
        return steps.to_numpy(dtype=float), np.stack([one.to_numpy(dtype=float) for one in recorded]), False
    count = min(points, *(len(one) for one in recorded))
    edges = np.linspace(0.0, max(float(one.index.max()) for one in recorded), count + 1)
    return edges[1:], np.stack([stretch_means(one, edges) for one in recorded]), True


def stretch_means(series: pd.Series, edges: Array) -> Array:
    """Mean of the values in each stretch (edges[i], edges[i + 1]]; the first one includes its left edge.

    A stretch without values lies on the line between its neighbours; before the first and after the last value, and
    where a recorded value is not a number, there is NaN.
    """
    steps, values = series.index.to_numpy(dtype=float), series.to_numpy(dtype=float)
    stretch = np.clip(np.searchsorted(edges, steps, side="left") - 1, 0, len(edges) - 2)
    counts = np.bincount(stretch, minlength=len(edges) - 1)
    sums = np.bincount(stretch, weights=values, minlength=len(edges) - 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    filled, places = counts > 0, np.arange(len(counts))
    return np.where(filled, means, np.interp(places, places[filled], means[filled], left=np.nan, right=np.nan))
