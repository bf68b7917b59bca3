"""How often the printed 95 % interval holds the true mean: simulated, for seeds of several laws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mirl.verdict.simulation import Law, draw
from mirl.verdict.statistics import LEAST_FOR_INTERVAL, mean_interval

REPETITIONS = 2000
SEEDS = range(LEAST_FOR_INTERVAL, 11)
PROMISE = 0.93
"""Of normal seeds; of the others the coverage is told."""
LAWS: tuple[Law, ...] = ("normal", "skewed", "half at zero", "one in five fails, the others vary")


@dataclass(frozen=True)
class Coverage:
    """Of the intervals of one law and number of seeds."""

    law: Law
    n: int
    share: float
    """Of the printed intervals that hold the true mean."""
    printed: float
    """Share of experiments in which an interval is printed at all."""

    @property
    def is_promised(self) -> bool:
        return self.law == "normal"

    @property
    def is_kept(self) -> bool:
        return self.share >= PROMISE


def simulate(law: Law, n: int, seed: int, repetitions: int = REPETITIONS) -> Coverage:
    """Intervals of `repetitions` experiments whose true mean is 0."""
    generator = np.random.default_rng([seed, n, LAWS.index(law)])
    found = [mean_interval(draw(generator, law, 0.0, 1.0, n)) for _ in range(repetitions)]
    printed = [one for one in found if one is not None]
    holding = sum(low <= 0 <= high for low, high in printed)
    return Coverage(law, n, holding / len(printed) if printed else math.nan, len(printed) / repetitions)


def run_all(repetitions: int = REPETITIONS, seed: int = 0) -> Iterator[Coverage]:
    for law in LAWS:
        for n in SEEDS:
            yield simulate(law, n, seed, repetitions)


def exceeding(found: Sequence[Coverage]) -> list[Coverage]:
    """Those that break the promise."""
    return [one for one in found if one.is_promised and not one.is_kept]
