"""Checks of references, regression bands and first values, published summaries and verdicts."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pydantic import ValidationError

from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import CsvTable, VerdictFile
from mirl.suite.experiments import Experiments, Metric, PaperEntry
from mirl.suite.record_tables import columns, known_columns, repeated
from mirl.suite.records import Band, FirstValue, Reference, ReportedSeed, Stated, Summary, describe_fault
from mirl.suite.results import metric_value, read_metrics
from mirl.verdict.comparison import Comparison, registration_sha256


def has_columns(table: CsvTable) -> bool:
    return known_columns(table.text.partition("\n")[0].strip().split(","), table.kind)


@named("table-columns", CsvTable)
def table_columns(table: CsvTable, experiments: Experiments) -> Sentences:
    """A table has the columns of its kind."""
    if not has_columns(table):
        first = table.text.partition("\n")[0]
        yield f"begins with {first[:80]!r}; it must begin with {','.join(columns(table.kind))}"


@named("reference-rows", CsvTable)
def reference_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every reported number has a source, a kind of provenance, and cells of their type."""
    if table.kind is Reference and has_columns(table):
        yield from table.faults


@named("reported-seed-rows", CsvTable)
def reported_seed_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every seed of the authors has a source, a kind of provenance, and cells of their type."""
    if table.kind is ReportedSeed and has_columns(table):
        yield from table.faults


@named("stated-rows", CsvTable)
def stated_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every stated number has a source, and says of which metrics and against which method it is."""
    if table.kind is Stated and has_columns(table):
        yield from table.faults


@named("regression-rows", CsvTable)
def regression_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every band is of five seeds or more, with low <= mean <= high and the lock and reason it was recorded for."""
    if table.kind is Band and has_columns(table):
        yield from table.faults


@named("first-rows", CsvTable)
def first_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every first value is a number of one seed, with its tolerance and the lock and reason it was recorded for."""
    if table.kind is FirstValue and has_columns(table):
        yield from table.faults


@named("summary-rows", CsvTable)
def summary_rows(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every line of a published summary has cells of their type."""
    if table.kind is Summary and has_columns(table):
        yield from table.faults


@named("table-known", CsvTable)
def table_known(table: CsvTable, experiments: Experiments) -> Sentences:
    """Paper, tasks and methods of a table are in reproduce.yaml."""
    entry = experiments.papers.get(table.paper)
    if entry is None:
        yield f"is of a paper {table.paper} that reproduce.yaml does not have"
        return
    judged = (row for row in table.rows if not (isinstance(row, Reference) and row.role == "context"))
    for task, labelled in dict.fromkeys((row.task, row.method) for row in judged):
        method, _, variant = labelled.partition("@")
        if task not in entry.tasks:
            yield f"no task {task} in reproduce.yaml"
        elif method not in entry.tasks[task].methods and not (method == "any" and table.kind is Reference):
            yield f"no method {method} for {task} in reproduce.yaml"
        elif variant and variant not in entry.variants:
            yield f"no variant {variant} in reproduce.yaml"


@named("table-unique", CsvTable)
def table_unique(table: CsvTable, experiments: Experiments) -> Sentences:
    """No two rows of a table say the same thing."""
    for key in repeated(table.rows):
        yield f"has two rows for {key}"


@named("regression-metrics", CsvTable, "warning")
def regression_metrics(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every band and every first value is of a metric that reproduce.yaml judges so."""
    entry = experiments.papers.get(table.paper)
    judged = entry.regression if entry else {}
    for row in table.rows:
        if not isinstance(row, Band | FirstValue) or row.method not in judged:
            continue
        kind, names = (
            ("band", judged[row.method].last) if isinstance(row, Band) else ("value", judged[row.method].first)
        )
        if row.metric not in names:
            yield f"has a {kind} for {row.metric} of {row.task}/{row.method}, which is not judged"


@named("summary-runs", CsvTable)
def summary_runs(table: CsvTable, experiments: Experiments) -> Sentences:
    """A published summary has a line for each published run, and each line the value that its run recorded."""
    entry = experiments.papers.get(table.paper)
    if table.kind is not Summary or entry is None or not has_columns(table) or table.faults:
        return
    lines = [(folder_of(row), row) for row in table.rows if isinstance(row, Summary)]
    top = table.path.parent
    folders = {str(path.parent.relative_to(top)) for path in top.glob("*/*/*/seed*/manifest.json")}
    for folder in sorted(folders - {folder for folder, _ in lines}):
        yield f"has no line for {folder}"
    for folder, row in lines:
        judged = [metric for metric in registered_metrics(entry, row.task) if metric.name == row.metric]
        if folder not in folders:
            yield f"has a line for {folder}, which is not published"
        for metric in judged:
            yield from wrong_value(top / folder, row, metric)


def registered_metrics(entry: PaperEntry, task: str) -> tuple[Metric, ...]:
    return entry.tasks[task].metrics if task in entry.tasks else ()


def folder_of(row: Summary) -> str:
    return f"{row.budget}/{row.task}/{row.method}/seed{row.seed}"


def wrong_value(folder: Path, row: Summary, metric: Metric) -> Sentences:
    """Says where a line and its run differ by more than the six digits that a line shows."""
    try:
        value = metric_value(read_metrics(folder), metric)
    except (ValueError, OSError, EOFError):
        return  # the checks of the run say it
    if value is None or not math.isclose(value, row.value, rel_tol=1e-5, abs_tol=1e-12):
        yield f"says {row.value:g} for {folder_of(row)}, its metrics.csv {'nothing' if value is None else f'{value:g}'}"


@named("verdict-schema", VerdictFile)
def verdict_schema(verdict: VerdictFile, experiments: Experiments) -> Sentences:
    """verdict.json keeps its schema."""
    try:
        Comparison.model_validate_json(verdict.path.read_bytes())
    except ValidationError as error:
        yield f"{describe_fault(error)}; `mirl compare` writes it anew"


@named("verdict-registration", VerdictFile, "warning")
def verdict_registration(verdict: VerdictFile, experiments: Experiments) -> Sentences:
    """A verdict was made with what reproduce.yaml registers now."""
    try:
        recorded = json.loads(verdict.path.read_text(encoding="utf-8"))
        entry = experiments.papers.get(recorded["paper"])
        if entry is None or registration_sha256(entry) != recorded["registration_sha256"]:
            yield "reproduce.yaml has changed since; `mirl compare` judges anew"
    except (ValueError, KeyError, TypeError):
        return  # verdict-schema says it
