"""What a report is made of: every number it shows, read from results, reproduce.yaml and the papers' documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mirl.suite.exhibits import PublishedFilm, published_film
from mirl.suite.experiments import UNBOUNDED, Budget, Experiments, PaperEntry, Task
from mirl.suite.manifests import DamagedRunError, damage
from mirl.suite.records import Reference
from mirl.suite.report import documents
from mirl.suite.report.curves import Curve, curve, curve_names, smoothed
from mirl.suite.report.documents import Statement
from mirl.suite.results import (
    RunState,
    Source,
    begun_runs,
    directory_of,
    metric_value,
    read_metrics,
    read_references,
    read_state,
)
from mirl.suite.selection import RunSpec
from mirl.suite.series import recorded_values
from mirl.verdict import bands, comparison, regression
from mirl.verdict.comparison import Comparison, ComparisonRow
from mirl.verdict.regression import Judged
from mirl.verdict.statistics import Interval

CHOICES: tuple[Budget, ...] = ("paper", "workstation", "tiny")
"""In the order of the page."""


@dataclass(frozen=True)
class RunFacts:
    """One run, registered or found beside the registered ones."""

    spec: RunSpec
    directory: Path
    registered: bool
    judged: bool
    """Whether a verdict counts it: a registered seed of the registered settings."""
    state: RunState
    values: Mapping[str, float]
    """The registered metrics that it recorded; may hold NaN."""
    film: PublishedFilm | None = None
    """Of a published run, where it has one that is what it says."""

    @property
    def finished(self) -> bool:
        return self.state.state == "finished"

    def fact(self, name: str, default: Any = None) -> Any:
        """A field of the manifest."""
        return self.state.manifest.get(name, default)

    @property
    def env_steps_per_s(self) -> float | None:
        wall_s = self.fact("wall_s")
        return self.fact("env_steps", 0) / wall_s if wall_s else None


@dataclass(frozen=True)
class TaskReport:
    """One task at one budget of which something was begun."""

    name: str
    budget: Budget
    registered: Task
    rows: tuple[ComparisonRow, ...]
    runs: tuple[RunFacts, ...]
    curves: Mapping[str, tuple[Curve, ...]]
    """Metric -> a curve a method, the most telling metric first."""
    findings: tuple[Judged, ...] = ()
    """Of tiny runs: whether they are as recorded."""

    @property
    def finished(self) -> list[RunFacts]:
        return [run for run in self.runs if run.finished]

    @property
    def seeds_of_methods(self) -> dict[int, list[str]]:
        """How many seeds are registered -> of which methods; the task's own number has those that say nothing else."""
        found: dict[int, list[str]] = {len(self.registered.budgets[self.budget].seeds): []}
        for method in self.registered.methods:
            found.setdefault(len(self.registered.of(method).budgets[self.budget].seeds), []).append(method)
        return found

    @property
    def judged_by(self) -> list[Task]:
        """The task in each setting that a run of it is judged in; in the first one where none is yet."""
        names = dict.fromkeys(row.setting for row in self.rows if row.ours.n) or [self.registered.setting]
        return [self.registered.in_setting(name) for name in names]


@dataclass(frozen=True)
class PaperReport:
    """Everything that one paper's page shows."""

    name: str
    entry: PaperEntry
    source: Source
    comparisons: Mapping[Budget, Comparison]
    """The budgets that are reported, the paper's own first."""
    tasks: tuple[TaskReport, ...]
    """Begun ones."""
    references: tuple[Reference, ...]
    ledger: str
    """HTML."""
    not_found: tuple[Statement, ...]

    @property
    def main(self) -> Comparison:
        """At the paper's budget, or the only one that is reported."""
        return next(iter(self.comparisons.values()))

    @property
    def places(self) -> dict[str, int]:
        """Every method and variant that was run, with its place: the same look in all figures of the paper."""
        named = [method for task in self.entry.tasks.values() for method in task.methods]
        run = {run.spec.labelled_method: None for run in self.runs}
        ordered = dict.fromkeys([*(method for method in named if method in run), *run])
        return {method: place for place, method in enumerate(ordered)}

    @property
    def runs(self) -> list[RunFacts]:
        return [run for task in self.tasks for run in task.runs]

    @property
    def not_run(self) -> dict[str, list[ComparisonRow]]:
        """Task -> its rows without a finished run, at the main budget."""
        rows: dict[str, list[ComparisonRow]] = {}
        for row in self.main.rows:
            if not row.ours.n:
                rows.setdefault(row.task, []).append(row)
        return rows


def collect(root: Path, experiments: Experiments, paper: str, source: Source, budget: Budget | None) -> PaperReport:
    """Read one paper's results. `budget` None: the paper's, and the others of which something was begun.

    Raises ConfigError for a reference table that cannot be read. A damaged run is reported as such.
    """
    entry = experiments.papers[paper]
    begun = {name: known_runs(root, entry, paper, name, source) for name in CHOICES}
    others = (name for name in CHOICES if begun[name])
    wanted = [budget] if budget else list(dict.fromkeys([CHOICES[0], *others]))
    comparisons = {name: comparison.build(root, experiments, paper, name, source) for name in wanted}
    tasks = [
        task_report(root, experiments, task, comparisons[name], begun[name])
        for task in entry.tasks
        for name in wanted
        if any(spec.task == task for spec in begun[name])
    ]
    folder = root / "papers" / paper
    return PaperReport(
        name=paper,
        entry=entry,
        source=source,
        comparisons=comparisons,
        tasks=tuple(tasks),
        references=tuple(read_references(root, paper)),
        ledger=documents.read_ledger(folder / "README.md"),
        not_found=tuple(documents.read_not_found(folder / "method-card.md")),
    )


def known_runs(root: Path, entry: PaperEntry, paper: str, budget: str, source: Source) -> list[RunSpec]:
    """Every run of a registered task and method that left something, variants and unregistered seeds among them."""
    return [
        spec
        for spec in begun_runs(root, paper, budget, source)
        if spec.task in entry.tasks
        and spec.method in entry.tasks[spec.task].methods
        and read_state(directory_of(root, spec, source), spec).state != "not run"
    ]


def task_report(
    root: Path, experiments: Experiments, task: str, judged: Comparison, begun: Sequence[RunSpec]
) -> TaskReport:
    """One task: its rows, its runs in the order of methods and seeds, and their curves."""
    paper, budget = judged.paper, judged.budget
    registered = experiments.papers[paper].tasks[task]
    listed = list(registered_runs(registered, paper, task, budget))
    mine = [spec for spec in begun if spec.task == task]
    methods = {spec.labelled_method for spec in mine}
    specs = dict.fromkeys([*(spec for spec in listed if spec.labelled_method in methods), *mine])
    order = {method: place for place, method in enumerate(registered.methods)}
    ordered = sorted(specs, key=lambda spec: (order[spec.method], spec.variant, spec.seed))
    rows = tuple(row for row in judged.rows if row.task == task)
    counted = {(row.method, seed) for row in rows for seed in row.ours.seeds}
    runs, tables = [], {}
    for spec in ordered:
        registered_and_counted = spec in set(listed), (spec.labelled_method, spec.seed) in counted
        facts, table = read_run(directory_of(root, spec, judged.source), spec, registered, *registered_and_counted)
        runs.append(facts)
        if table is not None and len(table) and (facts.judged or spec.variant):
            tables[spec] = table  # a run that no verdict counts is listed, and moves no mean
    bounds = {metric.name: metric.bounds for metric in registered.metrics}
    tiny = [spec for spec in ordered if spec in set(listed)] if (budget, judged.source) == ("tiny", "runs") else []
    findings = judge_tiny(root, experiments, tiny)
    return TaskReport(task, budget, registered, rows, tuple(runs), curves_of(tables, bounds), findings)


def judge_tiny(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> tuple[Judged, ...]:
    """Tiny runs of one paper against what was recorded."""
    if not specs:
        return ()
    recorded = bands.read_bands(root, specs[0].paper), bands.read_first_values(root, specs[0].paper)
    return tuple(regression.judge(regression.measure(root, experiments, specs), *recorded))


def registered_runs(task: Task, paper: str, name: str, budget: Budget) -> Iterator[RunSpec]:
    for method in task.methods:
        for seed in task.of(method).budgets[budget].seeds:
            yield RunSpec(budget=budget, paper=paper, task=name, method=method, seed=seed)


def read_run(
    directory: Path, spec: RunSpec, task: Task, registered: bool, judged: bool
) -> tuple[RunFacts, pd.DataFrame | None]:
    """One run and, where it is finished and whole, its metrics."""
    damaged = damage(directory, spec)
    state = RunState("damaged", damaged.short) if damaged else read_state(directory, spec)
    if state.state != "finished":
        return RunFacts(spec, directory, registered, judged, state, {}), None
    try:
        table = read_metrics(directory)
    except DamagedRunError as error:  # it is what its manifest vouches for, and no table all the same
        return RunFacts(spec, directory, registered, judged, RunState("damaged", error.short), {}), None
    values = {metric.name: metric_value(table, metric) for metric in task.metrics}
    known = {name: value for name, value in values.items() if value is not None}
    return RunFacts(spec, directory, registered, judged, state, known, film_of(directory, state)), table


def film_of(directory: Path, state: RunState) -> PublishedFilm | None:
    """A run's film; none where nothing vouches for it, which `mirl report` says."""
    try:
        return published_film(directory, state.manifest)
    except DamagedRunError:
        return None


def curves_of(
    tables: Mapping[RunSpec, pd.DataFrame], registered: Mapping[str, Interval]
) -> dict[str, tuple[Curve, ...]]:
    """For every metric recorded over training the curve of each method that recorded it.

    `registered`: the metrics that are judged, and between which bounds their values lie.
    """
    curves = {}
    for name in curve_names(list(tables.values()), list(registered)):
        seeds: dict[str, dict[int, pd.Series]] = {}
        for spec, table in tables.items():
            recorded = smoothed(recorded_values(table, name), name)
            if len(recorded) > 1:
                seeds.setdefault(spec.labelled_method, {})[spec.seed] = recorded
        curves[name] = tuple(
            curve(method, recorded, registered.get(name, UNBOUNDED)) for method, recorded in seeds.items()
        )
    return curves
