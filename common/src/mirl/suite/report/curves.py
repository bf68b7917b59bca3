"""Learning curves of several seeds on common environment steps, with the mean and its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mirl.suite.experiments import UNBOUNDED
from mirl.suite.series import Array, align, running_mean
from mirl.verdict.statistics import LEAST_FOR_INTERVAL, Interval

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


def smoothed(series: pd.Series, name: str, points: int = SMOOTH) -> pd.Series:
    """Running mean of what training recorded; evaluations stay as they are."""
    return running_mean(series, points) if name.startswith("train/") else series
