"""Claims of a paper, 'this method is better than that one', held against our own seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from mirl.suite.experiments import Budget, Claim, PaperEntry
from mirl.suite.records import LEAST_SEEDS, Record, Reference
from mirl.verdict.floors import compare_with_floor, floor_of, rows_of
from mirl.verdict.judgement import LEVEL, Seeds, judged_at, missing_seeds, other_budget, show_p
from mirl.verdict.statistics import (
    Interval,
    Pair,
    holm,
    improvement_interval,
    improvement_p,
    least_improvement_p,
)

ClaimVerdict = Literal["holds", "fails", "inconclusive", "not run"]
AllSeeds = Mapping[tuple[str, str, str], Seeds]
"""(task, setting, method) -> its seeds."""


class ClaimRow(Record):
    """A claim and what our runs say of it."""

    id: str
    statement: str
    source: str
    tasks: tuple[str, ...]
    better: str
    worse: str
    setting: str = ""
    """Test condition; '' is each task's first."""
    n: int
    """Seeds of the task and method that has the fewest."""
    probability: float | None = None
    """That a run of `better` is above one of `worse`, averaged over the tasks."""
    interval: Interval | None = None
    """95 %, stratified bootstrap over seeds."""
    p: float | None = None
    """Two-sided permutation test within tasks."""
    p_holm: float | None = None
    """Corrected for all registered claims of the paper, however many could be tested."""
    not_above_floor: tuple[str, ...] = ()
    """Tasks on which `better` itself is not, or not surely, above the floor of doing nothing."""
    verdict: ClaimVerdict
    reason: str


def judge_claims(
    entry: PaperEntry, budget: Budget, seeds: AllSeeds, references: Sequence[Reference] = ()
) -> list[ClaimRow]:
    """One row a claim. `holds` and `fails` need five complete seeds everywhere and Holm's p of at most 5 %.

    The family is what is registered, not what was run: leaving runs out makes no claim easier.
    """
    rows = [measure_claim(claim, entry, budget, seeds) for claim in entry.claims]
    corrected = holm([1.0 if row.p is None else row.p for row in rows])  # what was not tested might have come to this
    decided = [row if row.p is None else decide(row, p, len(rows)) for row, p in zip(rows, corrected, strict=True)]
    return [with_floors(row, entry, budget, seeds, references) for row in decided]


def with_floors(
    row: ClaimRow, entry: PaperEntry, budget: Budget, seeds: AllSeeds, references: Sequence[Reference]
) -> ClaimRow:
    """To be better than another that fails proves little: the row names the tasks on which `better` fails as well."""
    low = []
    for task in row.tasks if row.p is not None else ():
        registered, setting = entry.tasks[task], row.setting or entry.tasks[task].setting
        floor = floor_of(rows_of(references, task, registered, budget), registered, setting)
        finding, _ = compare_with_floor(list(seeds[task, setting, row.better].values.values()), floor)
        if finding in ("no", "not surely"):
            low.append(task)
    if not low:
        return row
    reason = f"{row.reason}; {row.better} itself is not surely above the floor on {', '.join(low)}"
    return row.model_copy(update={"not_above_floor": tuple(low), "reason": reason})


def measure_claim(claim: Claim, entry: PaperEntry, budget: str, seeds: AllSeeds) -> ClaimRow:
    """The claim's probability of improvement and p, or the reason why it cannot be tested."""
    used = [
        seeds_of(claim, entry, task, method, seeds) for task in claim.tasks for method in (claim.better, claim.worse)
    ]
    row = ClaimRow(**claim.model_dump(), n=min(len(one.values) for one in used), verdict="not run", reason="")
    if any(not one.values for one in used):
        lacking = [f"{method} on {task}" for task in claim.tasks for method in (claim.better, claim.worse)
                   if not seeds_of(claim, entry, task, method, seeds).values]  # fmt: skip
        return row.model_copy(update={"reason": f"no finished run of {', '.join(lacking)}"})
    hindrance = untestable(claim, entry, budget, seeds)
    if hindrance:
        return row.model_copy(update={"verdict": "inconclusive", "reason": hindrance})
    pairs = [pair(claim, entry, task, seeds) for task in claim.tasks]
    probability, interval = improvement_interval(pairs)
    return row.model_copy(update={"probability": probability, "interval": interval, "p": improvement_p(pairs)})


def seeds_of(claim: Claim, entry: PaperEntry, task: str, method: str, seeds: AllSeeds) -> Seeds:
    """A method's seeds on one of the claim's tasks, in the claim's setting."""
    return seeds[task, claim.setting or entry.tasks[task].setting, method]


def untestable(claim: Claim, entry: PaperEntry, budget: str, seeds: AllSeeds) -> str:
    """Why the claim cannot be tested with what is there; '' where it can."""
    if budget == "tiny":
        return "the tiny budget carries no claim"
    for name in claim.tasks:
        task = entry.tasks[name].in_setting(claim.setting)
        for method in (claim.better, claim.worse):
            one = seeds_of(claim, entry, name, method, seeds)
            if one.faults:
                return f"{method} on {name}: {missing_seeds(one)}"
            if len(one.values) < LEAST_SEEDS:
                return f"{method} on {name} has n = {len(one.values)}; at least {LEAST_SEEDS} seeds carry a claim"
            if not all(map(math.isfinite, one.values.values())):
                return f"{task.metric.name} of {method} on {name} is not a finite number for every seed"
            own = task.of(method)
            difference = other_budget(own, budget, judged_at(own, "paper"))
            if difference:
                return f"{name}: {difference}"
    return ""


def pair(claim: Claim, entry: PaperEntry, task: str, seeds: AllSeeds) -> Pair:
    """Both methods' values, turned so that higher is better."""
    sign = 1.0 if entry.tasks[task].in_setting(claim.setting).metric.higher_is_better else -1.0
    better, worse = (
        [sign * value for value in seeds_of(claim, entry, task, method, seeds).values.values()]
        for method in (claim.better, claim.worse)
    )
    return better, worse


def decide(row: ClaimRow, p_holm: float, claims: int) -> ClaimRow:
    """The verdict on a tested claim, one of `claims` that are registered."""
    assert row.probability is not None
    assert row.p is not None
    correction = f"; corrected for {claims} claims {show_p(p_holm)}" if claims > 1 else ""
    reason = f"a run of {row.better} is above one of {row.worse} with probability {row.probability:.2f}"
    reason = f"{reason} (permutation {show_p(row.p)}{correction})"
    verdict = verdict_of(row.probability, p_holm)
    return row.model_copy(update={"p_holm": p_holm, "verdict": verdict, "reason": reason})


def least_p(claim: Claim, entry: PaperEntry, budget: Budget = "paper") -> float:
    """The smallest p, corrected for the paper's registered claims, that the registered seeds can give the claim."""
    budgets = [entry.tasks[task].budgets[budget] for task in claim.tasks]
    seeds = [(len(one.of(claim.better).seeds), len(one.of(claim.worse).seeds)) for one in budgets]
    return min(1.0, len(entry.claims) * least_improvement_p(seeds))


def verdict_of(probability: float, p_holm: float) -> ClaimVerdict:
    """The rule itself: below Holm's level the side of one half decides."""
    if p_holm > LEVEL:
        return "inconclusive"
    return "holds" if probability > 0.5 else "fails"
