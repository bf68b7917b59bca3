"""The first page: a matrix of verdicts a paper, the numbers so far and the claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirl.suite import listing
from mirl.suite.experiments import Budget, Experiments
from mirl.suite.listing import Entry
from mirl.suite.report.collect import PaperReport
from mirl.suite.report.cost import total_wall_s
from mirl.suite.report.filters import shown
from mirl.verdict.comparison import ComparisonRow

Listed = tuple[Entry, list[str]]
"""An experiment with results, and its cells in the table of `mirl list`."""


@dataclass(frozen=True)
class Sign:
    """One verdict in a matrix; the label is for the eye's hover and the ear."""

    verdict: str
    label: str
    questioned: bool
    """Whether the reported number is."""


@dataclass(frozen=True)
class Matrix:
    """One paper: rows are tasks, columns methods; a cell has a sign for every setting."""

    methods: Sequence[str]
    settings: Sequence[str]
    rows: Mapping[str, Mapping[str, Sequence[Sign]]]

    @property
    def questioned(self) -> bool:
        """Whether any sign's reported number is."""
        return any(sign.questioned for cells in self.rows.values() for signs in cells.values() for sign in signs)


def matrix(report: PaperReport) -> Matrix:
    """Every registered result, at the first reported budget at which it was run."""
    methods = dict.fromkeys(row.method for row in report.main.rows)
    settings = dict.fromkeys(row.setting for row in report.main.rows if row.setting)
    rows: dict[str, dict[str, list[Sign]]] = {}
    for row in report.main.rows:
        cells = rows.setdefault(row.task, {method: [] for method in methods})
        cells[row.method].append(sign(report, row))
    return Matrix(list(methods), list(settings), rows)


def sign(report: PaperReport, row: ComparisonRow) -> Sign:
    budget, judged = next(
        ((budget, one) for budget, one in budgets_of(report, row) if one.ours.n), (report.main.budget, row)
    )
    where = ", ".join(filter(None, (row.method, row.setting)))
    label = f"{row.task}, {where}: {shown(judged)}" + (f", budget {budget}" if judged.ours.n else "")
    questioned = row.reference is not None and row.reference.questioned != ""
    return Sign(shown(judged), label + (", the reported number is questioned" if questioned else ""), questioned)


def budgets_of(report: PaperReport, row: ComparisonRow) -> list[tuple[Budget, ComparisonRow]]:
    """The same result at every reported budget."""
    key = row.task, row.setting, row.method
    return [
        (budget, other)
        for budget, one in report.comparisons.items()
        for other in one.rows
        if (other.task, other.setting, other.method) == key
    ]


def facts(reports: Sequence[PaperReport]) -> dict[str, Any]:
    """The totals of some papers; a variant is no result that a paper registers."""
    rows = [row for report in reports for row in report.main.rows if "@" not in row.method]
    claims = [claim for report in reports for claim in report.main.claims]
    runs = [run for report in reports for run in report.runs]
    return {
        "budget": reports[0].main.budget,
        "rows": len(rows),
        "run": sum(row.ours.n > 0 for row in rows),
        "without_reference": sum(row.reference is None for row in rows),
        "claims": len(claims),
        "decided": sum(claim.verdict in ("holds", "fails") for claim in claims),
        "finished": sum(run.finished for run in runs),
        "wall_s": total_wall_s(runs),
        "env_steps": sum(run.fact("env_steps") or 0 for run in runs if run.finished),
    }


def listed(root: Path, experiments: Experiments, reports: Sequence[PaperReport]) -> list[Listed]:
    """Everything with results, in the words of `mirl list`, without the cost, which differs from host to host."""
    entries = [
        listing.entry(root, experiments, report.name, budget, row)
        for report in reports
        for budget, one in report.comparisons.items()
        for row in one.rows
        if row.ours.n and budget != "tiny"
    ]
    return [(entry, listing.cells(entry)[:-1]) for entry in entries]


def page(reports: Sequence[PaperReport], entries: Sequence[Listed]) -> dict[str, Any]:
    """What the first page shows."""
    claims = [(report.name, claim) for report in reports for claim in report.main.claims]
    return {
        "facts": facts(reports),
        "matrices": {report.name: matrix(report) for report in reports},
        "columns": listing.COLUMNS[:-1],
        "listed": entries,
        "tested": [(paper, claim) for paper, claim in claims if claim.verdict != "not run"],
        "waiting": Counter(paper for paper, claim in claims if claim.verdict == "not run"),
    }
