"""What a registered result can answer, told before it is run: the chance of each verdict where the truth is known.

Our seeds and the paper's are taken as normal, ours with the sd that the paper reports. Printed mean and sd are the
paper's draw: the mean errs by its standard error, the sd stands. The chances are those of the rules of judgement.py,
by quadrature over the sd that our seeds may show; the tests hold them against plainly simulated verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from mirl.suite.experiments import Budget, Experiments, PaperEntry, Task
from mirl.suite.records import LEAST_SEEDS, Reference
from mirl.suite.results import read_references
from mirl.verdict.claims import least_p
from mirl.verdict.judgement import (
    LEVEL,
    SPREAD_FLOOR,
    choose_reference,
    decidable,
    other_budget,
    reported,
    reported_of,
    steps_of,
)
from mirl.verdict.margins import is_coarse, reported_range
from mirl.verdict.statistics import Summary, degrees_of_freedom, solved_p

Array = npt.NDArray[np.float64]
NODES = 400
HARDLY = 1e-6
"""In margins: what stands for an sd that the paper prints as 0."""


@dataclass(frozen=True)
class Chances:
    """Of the verdicts on one registered result."""

    equivalent: float
    """Where the truth is equal."""
    worse: float
    """Where we are worse by two margins."""
    by_chance: float
    """`better` or `worse` where the truth is equal."""


@dataclass(frozen=True)
class PowerRow:
    """A registered result that has a reported number, and what its verdict can be."""

    paper: str
    task: str
    setting: str
    method: str
    reference: Reference
    n: int
    """Our registered seeds."""
    margin: float
    chances: Chances | None
    """None where no verdict is possible, which the note explains."""
    note: str
    coarse: bool
    """The margin is as wide as the range of all reported methods."""


@dataclass(frozen=True)
class ClaimPower:
    """A registered claim, and the least that its corrected p can be."""

    paper: str
    id: str
    least_p: float

    @property
    def can_hold(self) -> bool:
        return self.least_p <= LEVEL


def power(sd: float, n: int, reference_n: int, margin: float) -> Chances:
    """Chances where both sides have this sd over `n` and `reference_n` seeds, at least two."""
    sd = max(sd, HARDLY * margin)
    ours = sd * _sd_ratios(n)
    least = SPREAD_FLOOR * margin
    inside = margin - _half_width(np.maximum(ours, least), n, max(sd, least), reference_n, 1 - LEVEL)
    outside = _half_width(ours, n, sd, reference_n, 1 - LEVEL / 2)
    error = sd * np.sqrt(1 / n + 1 / reference_n)
    beyond = np.maximum(outside, np.maximum(inside, 0.0))  # equivalence is asked first
    equivalent = np.where(inside > 0, 2 * stats.norm.cdf(np.maximum(inside, 0.0) / error) - 1, 0.0)
    return Chances(
        equivalent=float(equivalent.mean()),
        worse=float(stats.norm.cdf((2 * margin - beyond) / error).mean()),
        by_chance=float(2 * stats.norm.sf(beyond / error).mean()),
    )


@lru_cache
def _sd_ratios(n: int) -> Array:
    """Sample sds of n normal seeds over their true one, at the middles of equally likely slices."""
    middles = (np.arange(NODES) + 0.5) / NODES
    return np.sqrt(np.asarray(stats.chi2.ppf(middles, n - 1), dtype=float) / (n - 1))


def _half_width(ours: Array, n: int, theirs: float, reference_n: int, quantile: float) -> Array:
    """Welch's t quantile times the standard error of the difference."""
    own, other = ours**2 / n, theirs**2 / reference_n
    freedom = degrees_of_freedom(own, other, n, reference_n)
    half: Array = stats.t.ppf(quantile, freedom) * np.sqrt(own + other)
    return half


def power_of_solved(share: float, n: int, reference_n: int, margin: float) -> Chances:
    """Of Fisher's exact test on a share of solved seeds, where the paper's share is what it is and ours binomial."""
    solved = round(share * reference_n)
    counts = np.arange(n + 1)
    decided = np.array([solved_p(int(k), n, solved, reference_n) <= LEVEL for k in counts])
    low = counts / n < share
    fewer = stats.binom.pmf(counts, n, max(0.0, share - 2 * margin))
    equal = stats.binom.pmf(counts, n, share)
    return Chances(0.0, float(fewer[decided & low].sum()), float(equal[decided].sum()))


def rows(root: Path, experiments: Experiments, papers: Sequence[str], budget: Budget = "paper") -> Iterator[PowerRow]:
    """Every registered result of some papers that has a reported number."""
    for paper in papers:
        entry, references = experiments.papers[paper], read_references(root, paper)
        for task, registered in entry.tasks.items():
            judged = {method: registered.of(method) for method in labelled(entry, task)}
            for setting, method in product(registered.all_settings, judged):
                if setting not in judged[method].all_settings:
                    continue
                fitting = reported_of(references, task, registered, method, setting)
                in_setting = judged[method].in_setting(setting)
                found = choose_reference(fitting, in_setting, budget)
                if found is not None:
                    yield row(paper, task, method, in_setting, found, references, budget)


def labelled(entry: PaperEntry, task: str) -> Iterator[str]:
    """The methods of a task, and with every variant that has settings of its own."""
    registered = entry.tasks[task]
    variants = dict.fromkeys(name for setting in registered.settings.values() for name in setting.variants)
    for method in registered.methods:
        yield method
        yield from (f"{method}@{variant}" for variant in variants)


def row(
    paper: str, task: str, method: str, judged: Task, found: Reference, references: Sequence[Reference], budget: Budget
) -> PowerRow:
    """What one result with a reported number can answer. `judged`: in its setting."""
    n, margin = len(judged.budgets[budget].seeds), judged.margin
    chances, note = chances_of(found, judged, n, budget)
    coarse = is_coarse(references, task, judged)
    if coarse:
        apart = reported_range(references, task, judged)
        note = "; ".join(filter(None, (note, f"all reported methods lie within {apart:g}: `equivalent` tells nothing")))
    return PowerRow(paper, task, judged.setting, method, found, n, margin, chances, note, coarse)


def chances_of(reference: Reference, judged: Task, n: int, budget: Budget) -> tuple[Chances | None, str]:
    """The chances, and what a reader has to know of them."""
    if reference.questioned:
        return None, f"questioned: {reference.questioned}"
    difference = other_budget(judged, budget, steps_of(reference, judged))
    if difference:
        return None, difference
    if n < LEAST_SEEDS:
        return None, f"{n} registered seeds; at least {LEAST_SEEDS} carry a verdict"
    if judged.metric.solved_at is not None and reference.n:
        theirs = round(reference.value * reference.n)
        return power_of_solved(reference.value, n, reference.n, judged.margin), decidable(n, theirs, reference.n)
    printed = reported(reference)
    if printed is None:
        return None, "the reported number has no spread or too few seeds: nothing can be decided"
    chances = power(printed.sd, n, printed.n, judged.margin)
    if printed.sd == 0:
        return chances, (
            "the printed spread is 0: chances for seeds that hardly differ; where none of ours differs, nothing "
            "bounds the error"
        )
    return chances, "the reported sd alone rules out `equivalent`" if rules_out(printed, n, judged.margin) else ""


def rules_out(printed: Summary, n: int, margin: float) -> bool:
    """Whether no spread of our seeds could make the test of equivalence pass, however close the means are."""
    least = SPREAD_FLOOR * margin
    trials = np.maximum(printed.sd * np.geomspace(1e-6, 10, 200), least)
    return bool((_half_width(trials, n, max(printed.sd, least), printed.n, 1 - LEVEL) >= margin).all())


def claims(experiments: Experiments, papers: Sequence[str]) -> list[ClaimPower]:
    """Every registered claim of some papers."""
    entries = [(paper, experiments.papers[paper]) for paper in papers]
    return [ClaimPower(paper, claim.id, least_p(claim, entry)) for paper, entry in entries for claim in entry.claims]


def expected_by_chance(found: Sequence[PowerRow]) -> float:
    """How many `better` or `worse` to expect among some results if every reported number were the truth."""
    return sum(one.chances.by_chance for one in found if one.chances)
