"""A paper's comparison: one row a task, setting and method, one a claim, written to verdict.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import PlainSerializer

from mirl import config as configs
from mirl.files import write_json
from mirl.suite.experiments import Budget, Experiments, PaperEntry
from mirl.suite.records import LEAST_SEEDS, Record, Reference
from mirl.suite.results import Source, directory_of, read_metrics, read_references
from mirl.verdict import reported
from mirl.verdict.claims import ClaimRow, judge_claims
from mirl.verdict.curves import area_under_curve, median_steps, steps_to_threshold
from mirl.verdict.evidence import labelled_methods, read_seeds, released_seeds, spec_of
from mirl.verdict.floors import AboveFloor, compare_with_floor, floor_of, rows_of
from mirl.verdict.judgement import (
    LEVEL,
    SPREAD_FLOOR,
    STEP_TOLERANCE,
    Seeds,
    Verdict,
    choose_reference,
    judge,
    reported_of,
)
from mirl.verdict.margins import is_coarse
from mirl.verdict.statistics import (
    BOOTSTRAP_SEED,
    REPETITIONS,
    Interval,
    interquartile_mean,
    iqm_interval,
    mean_interval,
    summarise,
)


def nan_is_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


Number = Annotated[float, PlainSerializer(nan_is_none, return_type=float | None)]
"""A float that JSON can hold: NaN is written as null."""


class Ours(Record):
    """Our seeds of one task and method, in the metric's unit."""

    n: int
    seeds: dict[int, Number | None]
    mean: float | None = None
    sd: float | None = None
    iqm: float | None = None
    mean_interval: Interval | None = None
    """95 %, Student's t over seeds; None below three seeds, and where no seed differs from another."""
    iqm_interval: Interval | None = None
    """95 %, percentile bootstrap over seeds; None below four."""


class CurveOfSeeds(Record):
    """Our learning curves of one task and method, where reproduce.yaml registers one."""

    name: str
    threshold: float
    areas: dict[int, float]
    """Mean height of each seed's curve over the budget."""
    area_mean: float
    area_interval: Interval | None
    """95 %, Student's t over seeds."""
    steps: dict[int, int | None]
    """Env steps at which each seed first reached the threshold; None: never."""
    median_steps: float | None
    """Seeds that never get there count as infinite."""

    @property
    def reached(self) -> int:
        return sum(one is not None for one in self.steps.values())


class ComparisonRow(Record):
    """One task, setting and method: what the paper reports, what we got, and the verdict."""

    task: str
    setting: str
    """Test condition; '' where the task has one only."""
    note: str
    """What a reader has to know beside the result."""
    method: str
    """`method@variant` for a variant of which there are runs; the paper reports none."""
    metric: str
    unit: str
    higher_is_better: bool
    margin: float
    coarse: bool
    """The margin is as wide as the range of all reported methods: `equivalent` tells none of them apart."""
    reference: Reference | None
    bounds: tuple[Reference, ...]
    """Ceilings and floors."""
    context: tuple[Reference, ...] = ()
    """What else is reported in this metric, of other methods or by others; judges nothing."""
    ours: Ours
    above_floor: AboveFloor | None
    """None where no floor is known. A verdict beside `no` or `not surely` is no success."""
    curve: CurveOfSeeds | None
    welch_p: float | None
    equivalence_p: float | None
    difference: float | None
    difference_interval: Interval | None
    """90 %."""
    verdict: Verdict
    reason: str


class BootstrapFacts(Record):
    """What makes the intervals come out the same again."""

    seed: int = BOOTSTRAP_SEED
    repetitions: int = REPETITIONS


class Rules(Record):
    """The constants of the rules in judgement.py; they are not options."""

    level: float = LEVEL
    spread_floor: float = SPREAD_FLOOR
    least_seeds: int = LEAST_SEEDS
    step_tolerance: float = STEP_TOLERANCE


class Comparison(Record):
    """verdict.json."""

    schema_version: Literal[1] = 1
    paper: str
    budget: Budget
    source: Source
    registration_sha256: str
    """Of the paper's entry in reproduce.yaml: metrics, windows, margins, seeds, budgets, claims."""
    references_sha256: str
    """Of the paper's reported numbers."""
    rules: Rules = Rules()
    bootstrap: BootstrapFacts = BootstrapFacts()
    rows: tuple[ComparisonRow, ...]
    claims: tuple[ClaimRow, ...]


def registration_sha256(entry: PaperEntry) -> str:
    """sha256 of a paper's entry in reproduce.yaml as it is understood, whatever its layout and comments."""
    return configs.digest(entry.model_dump(mode="json"))


def references_sha256(references: Sequence[Reference]) -> str:
    """sha256 of the reported numbers, in the order of their file."""
    return configs.digest({"rows": [row.model_dump(mode="json") for row in references]})


def build(root: Path, experiments: Experiments, paper: str, budget: Budget, source: Source = "runs") -> Comparison:
    """Judge what lies under `root`/results; writes nothing. Of `authors` only what they released is shown."""
    entry = experiments.papers[paper]
    references = read_references(root, paper)
    released = reported.read_seeds(root, paper) if source == "authors" else []
    seeds = {}
    for task, registered in entry.tasks.items():
        methods = list(labelled_methods(root, entry, paper, task, budget, source))
        judged = {method: registered.of(method).all_settings for method in methods}
        for setting in registered.all_settings:
            for method in (one for one in methods if setting in judged[one]):
                seeds[task, setting, method] = (
                    released_seeds(entry, released, task, setting, method, budget)
                    if source == "authors"
                    else read_seeds(root, experiments, paper, task, setting, method, budget, source)
                )
    shown = {place: found for place, found in seeds.items() if source != "authors" or found.values}
    claims = judge_claims(entry, budget, seeds, references)
    return Comparison(
        paper=paper,
        budget=budget,
        source=source,
        registration_sha256=registration_sha256(entry),
        references_sha256=references_sha256(references),
        rows=tuple(compare(root, entry, paper, budget, source, place, shown[place], references) for place in shown),
        claims=tuple(claim for claim in claims if source != "authors" or claim.n),
    )


COARSE = "the margin is as wide as the range of all reported methods, so this tells none of them apart"
Place = tuple[str, str, str]
"""(task, setting, method or method@variant)."""


def compare(
    root: Path, entry: PaperEntry, paper: str, budget: Budget, source: Source, place: Place, seeds: Seeds,
    references: Sequence[Reference],
) -> ComparisonRow:  # fmt: skip
    """The row of one task, setting and method."""
    task, setting, method = place
    registered = entry.tasks[task].of(method).in_setting(setting)
    of_task = rows_of(references, task, entry.tasks[task], budget)
    fitting = reported_of(of_task, task, entry.tasks[task], method, setting)
    judgement = judge(seeds, fitting, registered, budget)
    coarse = is_coarse(references, task, registered)
    floor = floor_of(of_task, entry.tasks[task], setting)
    above_floor, warning = compare_with_floor(list(seeds.values.values()), floor)
    first = setting == entry.tasks[task].setting
    told_apart = COARSE if coarse and judgement.verdict == "equivalent" else ""
    return ComparisonRow(
        task=task,
        setting=setting,
        note=registered.note,
        method=method,
        metric=registered.metric.name,
        unit=registered.metric.unit,
        higher_is_better=registered.metric.higher_is_better,
        margin=registered.margin,
        reference=choose_reference(fitting, registered, budget),
        bounds=tuple(reference for reference in fitting if reference.role in ("ceiling", "floor")),
        context=tuple(row for row in of_task if row.role == "context" and row.metric == registered.metric.name),
        ours=aggregate(seeds.values, registered.metric.bounds),
        above_floor=above_floor,
        curve=read_curve(root, entry, paper, task, method, budget, source, seeds) if first else None,
        coarse=coarse,
        **{**vars(judgement), "reason": "; ".join(filter(None, (judgement.reason, warning, told_apart)))},
    )


def read_curve(
    root: Path, entry: PaperEntry, paper: str, task: str, method: str, budget: Budget, source: Source, seeds: Seeds
) -> CurveOfSeeds | None:
    """The registered learning curve of the seeds that count; None where none is registered or recorded."""
    curve = entry.tasks[task].curve
    if curve is None or source == "authors":
        return None
    registered = entry.tasks[task].of(method)
    areas: dict[int, float] = {}
    steps: dict[int, int | None] = {}
    for seed in seeds.values:
        table = read_metrics(directory_of(root, spec_of(paper, task, method, budget, seed), source))
        points = table[table["name"] == curve.name]
        env_steps, values = points["env_step"].to_numpy(), points["value"].to_numpy()
        area = area_under_curve(env_steps, values, registered.budgets[budget].env_steps)
        if area is not None and math.isfinite(area):
            areas[seed] = area
            steps[seed] = steps_to_threshold(env_steps, values, curve.threshold, registered.metric.higher_is_better)
    if not areas:
        return None
    heights = list(areas.values())
    return CurveOfSeeds(
        name=curve.name, threshold=curve.threshold, areas=areas, area_mean=summarise(heights).mean,
        area_interval=mean_interval(heights), steps=steps, median_steps=median_steps(list(steps.values())),
    )  # fmt: skip


def aggregate(values: Mapping[int, float], bounds: Interval) -> Ours:
    """Our seeds and, where all of them are numbers, their aggregates; `bounds`: of the metric."""
    numbers = list(values.values())
    if not numbers or not all(map(math.isfinite, numbers)):
        return Ours(n=len(numbers), seeds=dict(values))
    summary = summarise(numbers)
    return Ours(
        n=len(numbers),
        seeds=dict(values),
        mean=summary.mean,
        sd=None if math.isnan(summary.sd) else summary.sd,
        iqm=interquartile_mean(numbers),
        mean_interval=mean_interval(numbers, bounds=bounds),
        iqm_interval=iqm_interval(numbers),
    )


def verdict_path(root: Path, paper: str, budget: str) -> Path:
    return root / "results/runs" / budget / paper / "verdict.json"


def write(root: Path, comparison: Comparison) -> Path:
    """Write verdict.json atomically and return its path."""
    path = verdict_path(root, comparison.paper, comparison.budget)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, comparison.model_dump(mode="json"))
    return path
