"""The verdict on one task and method: a pure function of our seeds and of what the paper reports.

The rules, in this order:

1. no finished run: `not run`;
2. the tiny budget: `not comparable (budget)`;
3. no reported result: `no reference`; a ceiling or a floor is named, and how far we come is said;
   another number of environment steps (more than 5 % apart) or other settings: `not comparable (budget)`;
   a reported number that is questioned: `inconclusive`, with the fact, whatever our seeds are;
4. a registered seed that is missing, failed or not a number, or fewer than five seeds: `inconclusive`, never a pass;
5. a reported number without spread, or of fewer than five seeds: `inconclusive`, with where our interval lies;
6. two one-sided Welch tests against the registered margin, at 5 %, with sds of at least SPREAD_FLOOR margins:
   `equivalent`, unless neither we nor the paper have any spread over seeds: then no test bounds the error;
7. Welch's test at 5 %: `better` or `worse`; otherwise `inconclusive`.

Where a share of solved seeds is registered, Fisher's exact test takes the place of rules 5 to 7, and nothing is ever
`equivalent`: a handful of seeds that succeed or fail cannot show that.

Rules 5 and 6 are what simulations with a known truth asked for (`mirl simulate`, docs/error-rates.md). A result that is
not above the floor of doing nothing says so beside its verdict (floors.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mirl.suite.experiments import Task
from mirl.suite.records import LEAST_SEEDS, Reference
from mirl.verdict.statistics import (
    Interval,
    Summary,
    difference_interval,
    equivalence_p,
    known,
    sd_of,
    solved_p,
    summarise,
    welch_p,
)

Verdict = Literal[
    "equivalent", "better", "worse", "inconclusive", "no reference", "not comparable (budget)", "not run"
]  # fmt: skip
LEVEL = 0.05
SPREAD_FLOOR = 0.42
"""The least sd, in margins, that equivalence takes either side to have. Five seeds that all succeed may hide that one
in five fails: taken at their own spread, such sides are called equivalent in up to a third of experiments."""
STEP_TOLERANCE = 0.05
"""Share by which two budgets may differ and still count as the same."""


@dataclass(frozen=True)
class Seeds:
    """What the registered seeds of one task and method gave."""

    values: Mapping[int, float] = field(default_factory=dict)
    """The registered metric of each finished seed."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """Why the other registered seeds give none: 'not run', 'failed (…)'. A seed with both is shown, and none passes."""

    @property
    def started(self) -> bool:
        return bool(self.values) or any(fault != "not run" for fault in self.faults.values())


@dataclass(frozen=True)
class Judgement:
    """A verdict, its reason in one sentence, and the numbers behind it, where there are any."""

    verdict: Verdict
    reason: str
    welch_p: float | None = None
    equivalence_p: float | None = None
    difference: float | None = None
    difference_interval: Interval | None = None
    """90 %, the one that equivalence is read from."""


def judge(seeds: Seeds, references: Sequence[Reference], task: Task, budget: str) -> Judgement:
    """The verdict by the rules above. `references`: those of this task, method and metric, and of `any` method."""
    if not seeds.values:
        return Judgement("not run", missing_seeds(seeds) if seeds.started else "no seed of this budget was run")
    if budget == "tiny":
        reason = "the tiny budget is judged by its regression bands, never against the paper"
        return Judgement("not comparable (budget)", reason)
    result = choose_reference(references, task, budget)
    if result is None:
        return Judgement("no reference", without_reference(list(seeds.values.values()), references, task))
    difference = other_budget(task, budget, steps_of(result, task))
    if difference:
        return Judgement("not comparable (budget)", difference)
    if result.questioned:
        return against_questioned(list(seeds.values.values()), result)
    if any(not math.isfinite(value) for value in seeds.values.values()):
        bad = [seed for seed, value in seeds.values.items() if not math.isfinite(value)]
        return Judgement("inconclusive", f"{task.metric.name} is not a finite number for {name_seeds(bad)}")
    if seeds.faults:
        return Judgement("inconclusive", f"all registered seeds count: {missing_seeds(seeds)}")
    if len(seeds.values) < LEAST_SEEDS:
        return Judgement(
            "inconclusive", f"{name_number(len(seeds.values))}; at least {LEAST_SEEDS} can carry a verdict"
        )
    values = list(seeds.values.values())
    return compare(summarise(values), result, task) if task.metric.solved_at is None else count_solved(values, result)


def choose_reference(references: Sequence[Reference], task: Task, budget: str) -> Reference | None:
    """The reported result whose environment steps are nearest to the budget's; of equals the first in the file."""
    results = [reference for reference in references if reference.role == "result"]
    wanted = judged_at(task, budget)
    return min(results, key=lambda reference: abs(steps_of(reference, task) - wanted), default=None)


def reported_of(
    references: Sequence[Reference], name: str, registered: Task, labelled: str, setting: str
) -> list[Reference]:
    """The rows of a task's setting that are of this method or of `any`. What is reported in a setting for variants
    alone is of those, though the paper's table names the method. `registered`: with all its settings.
    """
    own = registered.settings.get(setting)
    method, _, variant = labelled.partition("@")
    reported_as = method if own is not None and variant in own.variants else labelled
    metric = registered.in_setting(setting).metric.name
    return [
        row for row in references if (row.task, row.metric) == (name, metric) and row.method in (reported_as, "any")
    ]


def judged_at(task: Task, budget: str) -> int:
    """Environment steps after which a budget's runs are judged: their end, or where the metric is read."""
    end = task.budgets[budget].env_steps  # type: ignore[index]
    return min(end, task.metric.at_env_step or end)


def steps_of(reference: Reference, task: Task) -> int:
    """Environment steps that a reported number stands for."""
    return reference.env_steps or judged_at(task, "paper")


def other_budget(task: Task, budget: str, env_steps: int) -> str:
    """Why runs of this budget cannot be held against a number after `env_steps`; '' where they can."""
    ours, paper = task.budgets[budget], task.budgets["paper"]  # type: ignore[index]
    reached = judged_at(task, budget)
    if abs(reached - env_steps) > STEP_TOLERANCE * env_steps:
        return f"ours is after {reached:,} env steps, the reported number after {env_steps:,}"
    if ours.env_steps != paper.env_steps and task.metric.at_env_step:
        return f"a run of {ours.env_steps:,} env steps is scheduled otherwise than one of {paper.env_steps:,}"
    fields = {**ours.overrides, **paper.overrides}
    changed = [name for name in fields if ours.overrides.get(name) != paper.overrides.get(name)]
    if changed:
        return f"budget {budget} sets {', '.join(changed)} differently from budget paper"
    return ""


def compare(ours: Summary, reference: Reference, task: Task) -> Judgement:
    """Equivalence first, difference second; `ours` has at least five seeds."""
    printed = reported(reference)
    if printed is None:
        return against_a_mean(ours, reference, task)
    difference, interval = ours.mean - printed.mean, difference_interval(ours, printed, 1 - 2 * LEVEL)
    least = SPREAD_FLOOR * task.margin
    same, different = (
        equivalence_p(at_least(ours, least), at_least(printed, least), task.margin),
        welch_p(ours, printed),
    )
    digits = decimals(ours.mean, printed.mean)
    gap = f"difference {difference:+,.{digits}f}, 90 % interval {show_interval(interval, digits)}"
    margin = f"the margin ±{task.margin:g}"
    without_spread = ours.sd == printed.sd == 0 and abs(difference) <= task.margin
    if without_spread:
        verdict: Verdict = "inconclusive"
        reason = f"{gap}; no seed of ours differs from another and the paper's spread is 0, so nothing bounds the error"
    elif same <= LEVEL:
        verdict = "equivalent"
        reason = f"{gap}, lies within {margin} (TOST {show_p(same)})"
    elif different <= LEVEL:
        verdict = "better" if (difference > 0) == task.metric.higher_is_better else "worse"
        reason = f"{gap}, is not 0 (Welch {show_p(different)}) nor surely within {margin}"
    else:
        verdict = "inconclusive"
        reason = f"{gap}, is neither within {margin} (TOST {show_p(same)}) nor apart from 0 (Welch {show_p(different)})"
    return Judgement(verdict, reason, different, same, difference, interval)


def against_questioned(values: Sequence[float], reference: Reference) -> Judgement:
    """A number that a fact speaks against carries no test, whatever our seeds are; how far we are from it is told."""
    gap = sum(values) / len(values) - reference.value
    if not math.isfinite(gap):
        return Judgement("inconclusive", f"questioned: {reference.questioned}")
    ours = f"our mean differs from it by {gap:+,.{decimals(gap, reference.value)}f}"
    return Judgement("inconclusive", f"questioned: {reference.questioned}; {ours}", difference=gap)


def at_least(sample: Summary, sd: float) -> Summary:
    """The sample, with no smaller an sd than this."""
    return replace(sample, sd=max(sample.sd, sd))


def count_solved(values: Sequence[float], reference: Reference) -> Judgement:
    """Ours and the paper's share of solved seeds; `reference` is a share of n seeds."""
    n, solved = len(values), round(sum(values))
    if reference.n is None:
        return Judgement("inconclusive", "the paper does not say of how many seeds the share is")
    theirs = round(reference.value * reference.n)
    p = solved_p(solved, n, theirs, reference.n)
    reason = f"{solved} of {n} seeds solved, the paper's {theirs} of {reference.n} (Fisher's exact test {show_p(p)})"
    difference = solved / n - theirs / reference.n
    if p > LEVEL:
        return Judgement("inconclusive", f"{reason}; {decidable(n, theirs, reference.n)}", difference=difference)
    return Judgement("better" if difference > 0 else "worse", reason, difference=difference)


def decidable(n: int, reference_solved: int, reference_n: int) -> str:
    """Which numbers of solved seeds of ours would be `better` or `worse`: known before anything is run."""
    apart = [k for k in range(n + 1) if solved_p(k, n, reference_solved, reference_n) <= LEVEL]
    worse = [k for k in apart if k / n < reference_solved / reference_n]
    better = [k for k in apart if k not in worse]
    said = [f"`worse` takes {max(worse)} or fewer"] if worse else []
    said += [f"`better` takes {min(better)} or more"] if better else []
    return f"with {n} seeds {' and '.join(said)}" if said else f"no number of {n} seeds could decide"


def reported(reference: Reference) -> Summary | None:
    """What the paper prints, as a sample; None where its spread is missing or its seeds are too few.

    Against two seeds Welch's test at 5 % errs in up to 10.5 % of cases, against three in up to 6.6 %.
    """
    if reference.spread is None or reference.n is None or reference.n < LEAST_SEEDS:
        return None
    sd = sd_of(reference.spread, reference.spread_kind, reference.n)
    return None if sd is None else Summary(reference.value, sd, reference.n)


def against_a_mean(ours: Summary, reference: Reference, task: Task) -> Judgement:
    """A number that carries no test: our interval around it tells where it lies and proves nothing about the paper."""
    interval = difference_interval(ours, known(reference.value), 1 - 2 * LEVEL)
    digits = decimals(ours.mean, reference.value)
    if max(map(abs, interval)) <= task.margin:
        place = "lies within"
    elif min(interval) > task.margin or max(interval) < -task.margin:
        place = "lies outside"
    else:
        place = "reaches over"
    lack = (
        f"the reported number is of {name_number(reference.n)}, at least {LEAST_SEEDS} carry a test"
        if reference.n is not None and reference.n < LEAST_SEEDS
        else "the paper gives no spread or no number of seeds"
    )
    reason = (
        f"{lack}; our difference from its mean, {show_interval(interval, digits)} (90 %), {place} "
        f"the margin ±{task.margin:g}"
    )
    return Judgement("inconclusive", reason, difference=ours.mean - reference.value, difference_interval=interval)


def without_reference(values: Sequence[float], references: Sequence[Reference], task: Task) -> str:
    """Says that nothing is reported and, where a ceiling or floor is known, how far we come."""
    sentence = "the paper reports no number for it"
    ceiling = next((one for one in references if one.role == "ceiling"), None)
    floors = [one for one in references if one.role == "floor"]
    hardest = max if task.metric.higher_is_better else min
    floor = hardest(floors, key=lambda one: one.value, default=None)
    mean = sum(values) / len(values)
    if not math.isfinite(mean):
        return sentence
    if ceiling and floor and ceiling.value != floor.value:
        share = (mean - floor.value) / (ceiling.value - floor.value)
        if share < 0:
            return f"{sentence}; short of the floor {floor.value:g} by {abs(mean - floor.value):,.4g}"
        return f"{sentence}; {share:.0%} of the way from the floor {floor.value:g} to the ceiling {ceiling.value:g}"
    if ceiling and ceiling.value > 0 and mean >= 0 and task.metric.higher_is_better:
        return f"{sentence}; {mean / ceiling.value:.0%} of the ceiling {ceiling.value:g} {ceiling.unit}"
    bound = ceiling or floor
    if bound:
        return f"{sentence}; {mean - bound.value:+,.4g} {bound.unit} from the {bound.role} {bound.value:g}"
    return sentence


def missing_seeds(seeds: Seeds) -> str:
    """'seeds 3, 4 not run; seed 1 failed (loss/value became nan at env step 5,000)'."""
    by_fault: dict[str, list[int]] = {}
    for seed, fault in seeds.faults.items():
        by_fault.setdefault(fault, []).append(seed)
    return "; ".join(f"{name_seeds(numbers)} {fault}" for fault, numbers in by_fault.items())


def name_seeds(numbers: Sequence[int]) -> str:
    return f"seed{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def name_number(n: int) -> str:
    return "one seed" if n == 1 else f"{n} seeds"


def decimals(*values: float) -> int:
    """Decimals that show about four digits of the largest of some finite values, three of shares."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=1.0)
    size = largest if 0 < largest < 0.1 else max(largest, 1.0)
    return max(0, 3 - math.floor(math.log10(size)))


def show_interval(interval: Interval, digits: int) -> str:
    return f"{interval[0]:,.{digits}f} … {interval[1]:,.{digits}f}"


def show_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
