"""A paper's comparison: one row a task, setting and method, one a claim, written to verdict.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer

from mirl import config as configs
from mirl.files import write_json
from mirl.suite.experiments import Budget, Experiments, PaperEntry, RunSpec, Task
from mirl.suite.records import Record, Reference
from mirl.suite.results import Source, directory_of, metric_value, read_metrics, read_references, read_state
from mirl.verdict.claims import ClaimRow, judge_claims
from mirl.verdict.judgement import STEP_TOLERANCE, Seeds, Verdict, choose_reference, judge
from mirl.verdict.statistics import BOOTSTRAP_SEED, REPETITIONS, Interval, bootstrap, summarise


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
    """95 %, bootstrap over seeds."""
    iqm_interval: Interval | None = None


class ComparisonRow(Record):
    """One task, setting and method: what the paper reports, what we got, and the verdict."""

    task: str
    setting: str
    """Test condition; '' where the task has one only."""
    note: str
    """What a reader has to know beside the result."""
    method: str
    metric: str
    unit: str
    higher_is_better: bool
    margin: float
    reference: Reference | None
    bounds: tuple[Reference, ...]
    """Ceilings and floors."""
    ours: Ours
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


class Comparison(Record):
    """verdict.json."""

    schema_version: Literal[1] = 1
    paper: str
    budget: Budget
    source: Source
    registration_sha256: str
    bootstrap: BootstrapFacts = BootstrapFacts()
    rows: tuple[ComparisonRow, ...]
    claims: tuple[ClaimRow, ...]


def registration_sha256(entry: PaperEntry) -> str:
    """sha256 of a paper's entry in reproduce.yaml as it is understood, whatever its layout and comments."""
    return configs.digest(entry.model_dump(mode="json"))


def build(root: Path, experiments: Experiments, paper: str, budget: Budget, source: Source = "runs") -> Comparison:
    """Judge what lies under `root`/results; writes nothing. `source`: our run directories or the published runs."""
    entry = experiments.papers[paper]
    references = read_references(root, paper)
    seeds = {
        (task, setting, method): read_seeds(root, entry, paper, task, setting, method, budget, source)
        for task, registered in entry.tasks.items()
        for setting in registered.all_settings
        for method in registered.methods
    }
    rows = [compare(entry, budget, *place, found, references) for place, found in seeds.items()]
    return Comparison(
        paper=paper,
        budget=budget,
        source=source,
        registration_sha256=registration_sha256(entry),
        rows=tuple(rows),
        claims=tuple(judge_claims(entry, budget, seeds)),
    )


def read_seeds(
    root: Path, entry: PaperEntry, paper: str, task: str, setting: str, method: str, budget: Budget, source: Source
) -> Seeds:
    """The registered metric of every registered seed of a task and method, in one setting."""
    values: dict[int, float] = {}
    faults: dict[int, str] = {}
    registered = entry.tasks[task].of(method).in_setting(setting)
    for seed in registered.budgets[budget].seeds:
        spec = RunSpec(budget=budget, paper=paper, task=task, method=method, seed=seed)
        found = read_seed(directory_of(root, spec, source), entry, registered, budget)
        if isinstance(found, str):
            faults[seed] = found
        else:
            values[seed] = found
    return Seeds(values, faults)


def read_seed(directory: Path, entry: PaperEntry, task: Task, budget: Budget) -> float | str:
    """The registered metric of one run, or why there is none."""
    state = read_state(directory)
    if state.state != "finished":
        return f"failed ({state.reason})" if state.state == "failed" and state.reason else state.state
    fault = not_as_registered(state.manifest, entry, task.budgets[budget].env_steps)
    if fault:
        return fault
    try:
        value = metric_value(read_metrics(directory), task.metric)
    except (ValueError, OSError, EOFError):  # `mirl check` says what and where
        return "with a damaged metrics.csv"
    return f"without {task.metric.name}" if value is None else value


def not_as_registered(manifest: Mapping[str, Any], entry: PaperEntry, env_steps: int) -> str:
    """Why a finished run is not the one that is registered; '' where it is."""
    if manifest.get("fidelity") != entry.fidelity:
        return f"run with fidelity {manifest.get('fidelity')}, verdicts use {entry.fidelity}"
    reached = manifest.get("env_steps", 0)
    if reached < (1 - STEP_TOLERANCE) * env_steps:
        return f"ended after {reached:,} of {env_steps:,} env steps"
    return ""


def compare(
    entry: PaperEntry, budget: str, task: str, setting: str, method: str, seeds: Seeds, references: list[Reference]
) -> ComparisonRow:
    """The row of one task, setting and method."""
    registered = entry.tasks[task].of(method).in_setting(setting)
    fitting = [
        reference
        for reference in references
        if (reference.task, reference.metric) == (task, registered.metric.name) and reference.method in (method, "any")
    ]
    judgement = judge(seeds, fitting, registered, budget)
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
        bounds=tuple(reference for reference in fitting if reference.role != "result"),
        ours=aggregate(seeds.values),
        **vars(judgement),
    )


def aggregate(values: Mapping[int, float]) -> Ours:
    """Our seeds and, where all of them are numbers, their aggregates."""
    numbers = list(values.values())
    if not numbers or not all(map(math.isfinite, numbers)):
        return Ours(n=len(numbers), seeds=dict(values))
    summary, boot = summarise(numbers), bootstrap(numbers)
    return Ours(
        n=len(numbers),
        seeds=dict(values),
        mean=summary.mean,
        sd=None if math.isnan(summary.sd) else summary.sd,
        iqm=boot.iqm,
        mean_interval=boot.mean_interval,
        iqm_interval=boot.iqm_interval,
    )


def verdict_path(root: Path, paper: str, budget: str) -> Path:
    return root / "results/runs" / budget / paper / "verdict.json"


def write(root: Path, comparison: Comparison) -> Path:
    """Write verdict.json atomically and return its path."""
    path = verdict_path(root, comparison.paper, comparison.budget)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, comparison.model_dump(mode="json"))
    return path
