"""Learning curves of several seeds on common environment steps, with the mean and its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mirl.suite.experiments import UNBOUNDED
from mirl.verdict.statistics import LEAST_FOR_INTERVAL, Interval

Array = npt.NDArray[np.float64]
POINTS = 200
"""A curve of more recorded values is drawn by the means of so many stretches."""
SMOOTH = 5
"""Metrics of training are running means over so many recorded values, as `mirl plot` draws them."""
GROUPS = ("eval/", "train/")


@dataclass(frozen=True)
class Curve:
    """One method's metric over training. All arrays have a value a point; NaN where there is none."""

    method: str
    env_steps: Array
    seeds: Mapping[int, Array]
    mean: Array
    """Over all seeds; NaN where one of them has no value."""
    low: Array
    high: Array
    """Student's 95 % interval of the mean over seeds; NaN for fewer than three."""
    thinned: bool
    """Whether a point stands for several recorded values."""


def curve(method: str, recorded: Mapping[int, pd.Series], bounds: Interval = UNBOUNDED) -> Curve:
    """The curve of one method; `recorded`: for each seed its values, indexed by environment step, all in `bounds`."""
    env_steps, values, thinned = align(list(recorded.values()))
    low, high = mean_interval(values, bounds)
    seeds = dict(zip(recorded, values, strict=True))
    return Curve(method, env_steps, seeds, values.mean(axis=0), low, high, thinned)


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


def mean_interval(values: Array, bounds: Interval = UNBOUNDED) -> tuple[Array, Array]:
    """Student's 95 % interval of the mean over seeds at each point, as `verdict.statistics.mean_interval` at one.

    values: (seeds, points); returns two arrays (points,), NaN where a seed has no value, where no seed differs from
    another, and for fewer than three seeds.
    """
    seeds, points = values.shape
    if seeds < LEAST_FOR_INTERVAL:
        return np.full(points, np.nan), np.full(points, np.nan)
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    half = np.where(sd > 0, stats.t.ppf(0.975, seeds - 1) * sd / np.sqrt(seeds), np.nan)
    return np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])


def curve_names(tables: Sequence[pd.DataFrame], registered: Sequence[str]) -> list[str]:
    """Metrics of evaluation and training recorded more than once in a run; the registered ones and their kin first."""
    found: set[str] = set()
    for table in tables:
        steps = table.groupby("name")["env_step"].nunique()
        found |= {str(name) for name in steps[steps > 1].index if str(name).startswith(GROUPS)}
    kinds = {name.partition("/")[2] for name in registered}

    def order(name: str) -> tuple[int, str]:
        kind = name.partition("/")[2]
        if name in registered:
            return registered.index(name) - len(registered), name
        if kind in kinds or any(one.startswith(f"{kind}_") for one in kinds):
            return 0, name
        return 1 if any(kind.endswith(f"_{one}") for one in kinds) else 2, name

    return sorted(found, key=order)


def recorded_values(table: pd.DataFrame, name: str) -> pd.Series:
    """A metric's values by environment step; of several at one step the last. An infinite one counts as no number."""
    rows = table[table["name"] == name].drop_duplicates("env_step", keep="last").sort_values("env_step")
    return rows.set_index("env_step")["value"].replace([np.inf, -np.inf], np.nan)


def smoothed(series: pd.Series, name: str, points: int = SMOOTH) -> pd.Series:
    """Running mean of what training recorded; evaluations stay as they are."""
    return series.rolling(points, min_periods=1).mean() if name.startswith("train/") else series
