"""Do the verdicts keep their error rates? Experiments with a known truth, judged by the very rules of judgement.py.

A truth is a difference of means, in margins, a law of the seeds and a number of seeds on either side. Each is drawn
some 1,000 times; what we got goes in as seeds, what the paper got as the mean, sd and n that it would print. Of every
truth some verdicts are wrong, and the rules promise how often they come at most. Welch's test assumes seeds that are
about normal. Of methods of which one seed in five fails altogether, false `equivalent` is promised to stay at 10 %, as
long as a failure costs no more than two or three margins; beyond, and for skewed seeds, the rates are told but not
promised: five seeds that all succeed, as they do in a third of experiments, say nothing of a failure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from mirl.suite.experiments import BUDGETS, Task
from mirl.suite.records import Reference
from mirl.verdict.claims import verdict_of
from mirl.verdict.judgement import LEVEL, Seeds, judge
from mirl.verdict.statistics import degrees_of_freedom, holm, improvement, improvement_p, summarise

Law = Literal[
    "normal", "skewed", "half at zero", "one in five fails", "one in five fails, the others vary", "all or nothing"
]
REPETITIONS = 1000
FAILING: tuple[Law, ...] = ("one in five fails", "one in five fails, the others vary")
FALSE_EQUIVALENCE = 0.10
"""Promised where one seed in five fails."""
VARY = 0.05
"""Standard deviation within success and failure, of the whole."""
DECIDED = ("equivalent", "better", "worse")


@dataclass(frozen=True)
class Truth:
    """What is true, and what must not be said of it."""

    name: str
    difference: float
    """Our true mean minus the paper's, in margins."""
    wrong: tuple[str, ...]
    """The verdicts that are wrong here."""
    nominal: float
    """The share of them that the rules promise not to exceed."""
    sd: float = 1.0
    """Of our seeds, in margins."""
    reference_sd: float = 1.0
    n: int = 5
    reference_n: int = 5
    law: Law = "normal"
    is_promised: bool = True
    """Whether the rules say so; else the rates are told."""


@dataclass(frozen=True)
class Rates:
    """How often each verdict came."""

    truth: Truth | ClaimTruth
    shares: dict[str, float]
    repetitions: int

    @property
    def error(self) -> float:
        return sum(self.shares.get(verdict, 0.0) for verdict in self.truth.wrong)

    @property
    def keeps_level(self) -> bool:
        """At most nominal, up to three standard errors of a simulation of this size."""
        nominal = self.truth.nominal
        return self.error <= nominal + 3 * math.sqrt(nominal * (1 - nominal) / self.repetitions)


def truths() -> Iterator[Truth]:
    """The registered questions: equal, apart by the margin, better, worse, too few seeds, and broken assumptions."""
    different, same = ("better", "worse"), ("equivalent",)
    for sd, reference_sd in ((0.3, 0.3), (1.0, 1.0), (3.0, 3.0), (0.3, 0.9), (0.9, 0.3)):
        yield Truth("equal", 0.0, different, LEVEL, sd, reference_sd)
        yield Truth("better by the margin", 1.0, same, LEVEL, sd, reference_sd)
        yield Truth("better by two margins", 2.0, (*same, "worse"), LEVEL, sd, reference_sd)
        yield Truth("worse by two margins", -2.0, (*same, "better"), LEVEL, sd, reference_sd)
    yield Truth("equal", 0.0, different, LEVEL, n=10, reference_n=5)
    yield Truth("better by the margin", 1.0, same, LEVEL, n=10, reference_n=10, sd=0.9, reference_sd=0.3)
    yield Truth("four seeds of ours", 0.0, DECIDED, 0.0, n=4, sd=0.3, reference_sd=0.3)
    yield Truth("four seeds, much better", 9.0, DECIDED, 0.0, n=4)
    yield Truth("two seeds of theirs", 0.0, DECIDED, 0.0, reference_n=2, sd=0.3, reference_sd=0.9)
    yield Truth("a success more in ten", 1.5, same, LEVEL, law="all or nothing", sd=3.0, reference_sd=4.3)
    yield from failing_truths()
    for sd, reference_sd in ((0.9, 0.3), (0.3, 0.9)):
        yield Truth("better by the margin", 1.0, same, LEVEL, sd, reference_sd, law="skewed", is_promised=False)
    yield Truth("equal", 0.0, different, LEVEL, law="skewed", is_promised=False)
    yield Truth("better by two margins", 2.0, (*same, "worse"), LEVEL, law="skewed", is_promised=False)


def failing_truths() -> Iterator[Truth]:
    """One seed in five of either method fails altogether, at the cost of two and a half sds."""
    same = ("equivalent",)
    for law in FAILING:
        for sd, reference_sd in ((0.3, 0.9), (0.9, 0.3)):
            for side, difference in (("better", 1.0), ("worse", -1.0)):
                name = f"{side} by the margin"
                yield Truth(name, difference, same, FALSE_EQUIVALENCE, sd, reference_sd, law=law)
        yield Truth("better by two margins", 2.0, (*same, "worse"), FALSE_EQUIVALENCE, law=law)
        yield Truth("equal", 0.0, ("better", "worse"), LEVEL, law=law, is_promised=False)
        yield Truth("better by the margin", 1.0, same, FALSE_EQUIVALENCE, 0.3, 2.0, law=law, is_promised=False)


def draw(generator: np.random.Generator, law: Law, mean: float, sd: float, n: int) -> list[float]:
    """Seeds of a law with this mean and sd."""
    standard: npt.NDArray[np.floating[Any]]
    if law == "normal":
        standard = generator.normal(size=n)
    elif law == "skewed":
        standard = generator.exponential(1.0, n) - 1
    elif law == "half at zero":  # and the others exponential: mean 1/2, variance 3/4
        standard = ((generator.random(n) < 0.5) * generator.exponential(1.0, n) - 0.5) / math.sqrt(0.75)
    elif law in FAILING:
        standard = ((generator.random(n) < 0.8) - 0.8) / 0.4
        if law != "one in five fails":
            standard = (standard + VARY * generator.normal(size=n)) / math.hypot(1, VARY)
    else:  # each seed succeeds always or never, and a success is worth ten margins
        chance = (1 + math.sqrt(1 - 4 * (sd / 10) ** 2)) / 2
        standard = 10 * ((generator.random(n) < chance) - chance) / sd
    return [float(mean + sd * value) for value in standard]


def simulate(truth: Truth, seed: int, repetitions: int = REPETITIONS) -> Rates:
    """Verdicts on `repetitions` experiments in which `truth` holds."""
    generator, counts = np.random.default_rng(seed), Counter[str]()
    for _ in range(repetitions):
        ours = draw(generator, truth.law, truth.difference, truth.sd, truth.n)
        theirs = summarise(draw(generator, truth.law, 0.0, truth.reference_sd, truth.reference_n))
        printed = Reference(
            task="simulated", method="ours", setting="", metric="eval/return", env_steps=None, value=theirs.mean,
            spread=theirs.sd, spread_kind="sd", n=theirs.n, unit="margins", role="result", provenance="computed",
            source="simulation", note="",
        )  # fmt: skip
        counts[judge(Seeds(dict(enumerate(ours))), [printed], TASK, "paper").verdict] += 1
    return Rates(truth, {verdict: count / repetitions for verdict, count in counts.items()}, repetitions)


TASK = Task.model_validate(
    {
        "title": "simulated", "methods": ["ours"], "metric": {"name": "eval/return", "unit": "margins"}, "margin": 1.0,
        "budgets": {name: {"env_steps": 1, "seeds": [0]} for name in BUDGETS},
        "cost": {"ours": {"env_steps_per_s": 1, "memory_mib": 1}},
    }
)  # fmt: skip


@dataclass(frozen=True)
class ClaimTruth:
    """Several claims of a paper that are all true or all false alike."""

    name: str
    advantage: float
    """Of the method said to be better, in its standard deviations."""
    wrong: tuple[str, ...]
    """What must not be said of any of the claims."""
    nominal: float
    claims: int = 1
    n: int = 5
    tasks: int = 1
    law: Law = "normal"
    is_promised: bool = True


def claim_truths() -> Iterator[ClaimTruth]:
    """False claims alone, in company and over tasks; claims that are true."""
    yield ClaimTruth("no difference", 0.0, ("holds", "fails"), LEVEL)
    yield ClaimTruth("no difference", 0.0, ("holds", "fails"), LEVEL, n=10, law="skewed")
    yield ClaimTruth("no difference, four claims", 0.0, ("holds", "fails"), LEVEL, claims=4, n=10)
    yield ClaimTruth("no difference, five tasks", 0.0, ("holds", "fails"), LEVEL, tasks=5)
    yield ClaimTruth("better by two sd", 2.0, ("fails",), LEVEL)
    yield ClaimTruth("worse by two sd", -2.0, ("holds",), LEVEL)


def simulate_claims(truth: ClaimTruth, seed: int, repetitions: int = REPETITIONS) -> Rates:
    """The share of papers in which at least one claim gets each verdict: the family-wise rate."""
    generator, counts = np.random.default_rng(seed), Counter[str]()
    for _ in range(repetitions):
        families = [
            [
                (
                    draw(generator, truth.law, truth.advantage, 1.0, truth.n),
                    draw(generator, truth.law, 0.0, 1.0, truth.n),
                )
                for _ in range(truth.tasks)
            ]
            for _ in range(truth.claims)
        ]
        corrected = holm([improvement_p(pairs) for pairs in families])
        chances = [float(np.mean([improvement(*pair) for pair in pairs])) for pairs in families]
        counts.update({verdict_of(chance, p) for chance, p in zip(chances, corrected, strict=True)})
    return Rates(truth, {verdict: count / repetitions for verdict, count in counts.items()}, repetitions)


def welch_size(n: int, reference_n: int, repetitions: int = 100_000, seed: int = 0) -> tuple[float, float]:
    """How often Welch's two-sided test and one half of TOST err at 5 %, for the worst of seven ratios of the sds.

    Normal seeds. Why a reported number needs five seeds before it is tested against.
    """
    generator = np.random.default_rng(seed)
    worst = [0.0, 0.0]
    for ratio in (0.1, 1 / 3, 0.5, 1.0, 2.0, 3.0, 10.0):
        gap = generator.normal(0, math.hypot(1 / math.sqrt(n), ratio / math.sqrt(reference_n)), repetitions)
        own, other = (
            scale**2 * generator.chisquare(m - 1, repetitions) / (m - 1) / m
            for scale, m in ((1, n), (ratio, reference_n))
        )
        upper = stats.t.sf(gap / np.sqrt(own + other), degrees_of_freedom(own, other, n, reference_n))
        rates = np.mean((upper <= LEVEL / 2) | (upper >= 1 - LEVEL / 2)), np.mean(upper <= LEVEL)
        worst = [max(old, float(new)) for old, new in zip(worst, rates, strict=True)]
    return worst[0], worst[1]


def run_all(repetitions: int = REPETITIONS, seed: int = 0) -> list[Rates]:
    """Every truth once, each with a generator of its own."""
    verdicts = [simulate(truth, seed + number, repetitions) for number, truth in enumerate(truths())]
    return verdicts + [simulate_claims(one, seed + number, repetitions) for number, one in enumerate(claim_truths())]


def exceeding(rates: Sequence[Rates]) -> list[Rates]:
    """Those that break a promise."""
    return [one for one in rates if one.truth.is_promised and not one.keeps_level]
