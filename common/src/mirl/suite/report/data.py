"""The tables that a report carries with it, so that it can be moved: verdicts, claims, seeds, references and runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mirl.suite.manifests import TABLES
from mirl.suite.publish import copy_small
from mirl.suite.record_tables import write_table
from mirl.suite.records import Reference
from mirl.suite.report.collect import PaperReport
from mirl.verdict.comparison import ComparisonRow

CONTENTS = {
    "verdicts.csv": "every registered result: reported, ours, tests, verdict and reason",
    "claims.csv": "every claim: probability, interval, p, verdict and reason",
    "seeds.csv": "every seed of what was begun: value, env steps, wall time, state",
    "reference.csv": "every number we are held against, with its source",
}
FILES = (*(f"{name}.gz" for name in TABLES), "manifest.json")


def write_tables(report: PaperReport, folder: Path) -> dict[str, str]:
    """Write the tables of one paper into `folder`; returns name -> what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[Mapping[str, Any]]] = {
        "verdicts.csv": [verdict_row(budget, row) for budget, one in report.comparisons.items() for row in one.rows],
        "claims.csv": [
            {"budget": budget, **{name: in_a_cell(value) for name, value in claim}}
            for budget, one in report.comparisons.items()
            for claim in one.claims
        ],
        "seeds.csv": list(seed_rows(report)),
    }
    for name, content in rows.items():
        pd.DataFrame(content).to_csv(folder / name, index=False)
    write_table(folder / "reference.csv", Reference, report.references)
    return dict(CONTENTS)


def verdict_row(budget: str, row: ComparisonRow) -> Mapping[str, Any]:
    """The plain fields of a row, then the reported number and ours."""
    plain = {name: value for name, value in row if isinstance(value, str | int | float | None)}
    reference, ours = row.reference, row.ours
    low, high = ours.mean_interval or (None, None)
    return {
        "budget": budget,
        **plain,
        "reported": reference and reference.value,
        "reported_spread": reference and reference.spread,
        "reported_spread_kind": reference and reference.spread_kind,
        "reported_n": reference and reference.n,
        "reported_questioned": reference and reference.questioned,
        "ours_n": ours.n,
        "ours_mean": ours.mean,
        "ours_sd": ours.sd,
        "ours_low": low,
        "ours_high": high,
        "ours_iqm": ours.iqm,
    }


def in_a_cell(value: Any) -> Any:
    """Several values with blanks between."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def seed_rows(report: PaperReport) -> Iterator[Mapping[str, Any]]:
    """A line a run and registered metric; an empty value where the run has none."""
    for task in report.tasks:
        for run in task.runs:
            for metric in task.registered.of(run.spec.labelled_method).metrics:
                yield {
                    "budget": task.budget,
                    "task": task.name,
                    "method": run.spec.labelled_method,
                    "seed": run.spec.seed,
                    "registered": run.registered,
                    "judged": run.judged,
                    "state": run.state.state,
                    "reason": run.state.reason,
                    "metric": metric.name,
                    "value": run.values.get(metric.name),
                    "env_steps": run.fact("env_steps"),
                    "wall_s": run.fact("wall_s"),
                    "env_steps_per_s": run.env_steps_per_s,
                }


def copy_runs(report: PaperReport, site: Path) -> dict[Any, list[str]]:
    """Copy what finished runs recorded, compressed, into the site; returns run -> its files' addresses."""
    copied = {}
    for run in report.runs:
        if run.finished:
            spec = run.spec
            place = Path("data", spec.paper, spec.budget, spec.task, spec.labelled_method, f"seed{spec.seed}")
            copy_small(run.directory, site / place)
            copied[spec] = [(place / name).as_posix() for name in FILES]
    return copied
