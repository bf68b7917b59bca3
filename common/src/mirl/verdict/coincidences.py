"""Seeds that authors released and that independent runs do not give: apart by nothing or by a whole hundred.

Two seeds are held against each other where task and seed number are the same and the method or the setting is. Returns
that come from two runs share their last digits by chance only: values with d decimals are a whole multiple of 100 apart
once in 100 * 10**d pairs. Why two values coincide, nothing here can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, groupby

from mirl.suite.records import ReportedSeed
from mirl.verdict.reported import decimals_of

STEP = 100
"""Values below are left out: shares lie on a coarse grid, and are equal often."""
MANY_DECIMALS = 3
"""From here on chance gives a coincidence once in 100,000 pairs."""


@dataclass(frozen=True)
class Pair:
    """Two seeds that are held against each other."""

    one: ReportedSeed
    other: ReportedSeed

    @property
    def difference(self) -> Decimal:
        return self.other.value - self.one.value

    @property
    def coincides(self) -> bool:
        """Whether the values are equal, or a whole multiple of STEP apart, to their last digit."""
        return self.difference % STEP == 0

    @property
    def decimals(self) -> int:
        """Digits behind the point that both values show."""
        return min(decimals_of(self.one.value), decimals_of(self.other.value))

    @property
    def chance(self) -> float:
        """How often independent values with so many decimals coincide."""
        return 10.0**-self.decimals / STEP


@dataclass(frozen=True)
class Tally:
    """Pairs of about as many decimals: how many there are, how many coincide, how many would by chance."""

    decimals: str
    pairs: int
    found: int
    expected: float


@dataclass(frozen=True)
class Coincidence:
    """Pairs that coincide in the same way, put together."""

    task: str
    alike: tuple[str, ...]
    """The methods, or the settings, that both values have."""
    first: str
    second: str
    """The settings, or the methods, in which they differ."""
    seeds: tuple[int, ...]
    difference: Decimal
    """Of the second from the first; one for all pairs."""
    decimals: int
    """The fewest of any pair."""


def pairs(seeds: Sequence[ReportedSeed]) -> Iterator[Pair]:
    """Every two seeds of a task and number with the same method or the same setting, of values from STEP on."""
    large = sorted((one for one in seeds if abs(one.value) >= STEP), key=lambda one: (one.task, one.seed))
    for _, group in groupby(large, key=lambda one: (one.task, one.seed)):
        for one, other in combinations(group, 2):
            if (one.method == other.method) != (one.setting == other.setting):
                yield Pair(one, other)


def tallies(seeds: Sequence[ReportedSeed]) -> list[Tally]:
    """Pairs whose decimals are many, then those whose decimals are few."""
    held = list(pairs(seeds))
    parts = {
        f"{MANY_DECIMALS} and more": [pair for pair in held if pair.decimals >= MANY_DECIMALS],
        f"fewer than {MANY_DECIMALS}": [pair for pair in held if pair.decimals < MANY_DECIMALS],
    }
    return [
        Tally(name, len(part), sum(pair.coincides for pair in part), sum(pair.chance for pair in part))
        for name, part in parts.items()
    ]


def coincidences(seeds: Sequence[ReportedSeed]) -> list[Coincidence]:
    """What coincides, in the order of the seeds; methods, settings and seeds of the same finding together."""
    over_seeds: dict[tuple[str, str, str, str, Decimal], list[Pair]] = {}
    for pair in pairs(seeds):
        if pair.coincides:
            alike, first, second = parts_of(pair)
            over_seeds.setdefault((pair.one.task, alike, first, second, pair.difference.normalize()), []).append(pair)
    together: dict[tuple[str, str, str, Decimal, tuple[int, ...]], dict[str, int]] = {}
    for (task, alike, first, second, difference), same in over_seeds.items():
        numbers = tuple(pair.one.seed for pair in same)
        fewest = min(pair.decimals for pair in same)
        together.setdefault((task, first, second, difference, numbers), {})[alike] = fewest
    return [
        Coincidence(task, tuple(alike), first, second, numbers, difference, min(alike.values()))
        for (task, first, second, difference, numbers), alike in together.items()
    ]


def parts_of(pair: Pair) -> tuple[str, str, str]:
    """What both seeds have, and the two in which they differ."""
    one, other = pair.one, pair.other
    if one.method == other.method:
        return one.method, one.setting, other.setting
    return one.setting, one.method, other.method
