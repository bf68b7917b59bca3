"""`mirl list`: every experiment in a line, for a terminal or as the table in the README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from mirl.clock import describe_duration
from mirl.suite import plan
from mirl.suite.experiments import Budget, Experiments
from mirl.suite.results import Source
from mirl.verdict import comparison
from mirl.verdict.comparison import ComparisonRow
from mirl.verdict.evidence import spec_of
from mirl.verdict.tables import QUESTIONED, cells_of

COLUMNS = (
    "paper",
    "task",
    "method",
    "budget",
    "reference",
    "ours (mean ± sd)",
    "95 % CI",
    "seeds",
    "verdict",
    "cost a seed",
)

BUDGETS: tuple[Budget, ...] = ("paper", "workstation")
"""What is listed."""


@dataclass(frozen=True)
class Entry:
    """One experiment: a paper's task with one method."""

    paper: str
    budget: Budget
    row: ComparisonRow
    cost: str
    """Time of one run on this host."""


def entries(root: Path, experiments: Experiments, papers: Sequence[str], source: Source) -> Iterator[Entry]:
    """Every experiment at the paper's budget, and those of the workstation budget that have results."""
    for paper in papers:
        for row in comparison.build(root, experiments, paper, "paper", source).rows:
            yield entry(root, experiments, paper, "paper", row)
        for row in comparison.build(root, experiments, paper, "workstation", source).rows:
            if row.ours.n:
                yield entry(root, experiments, paper, "workstation", row)


def entry(root: Path, experiments: Experiments, paper: str, budget: Budget, row: ComparisonRow) -> Entry:
    spec = spec_of(paper, row.task, row.method, budget, seed=0)
    return Entry(paper, budget, row, describe_duration(plan.estimate(root, experiments, spec).wall_s))


def cells(entry: Entry) -> list[str]:
    method, reference, *rest = cells_of(entry.row)
    ceiling = next((bound.value for bound in entry.row.bounds if bound.role == "ceiling"), None)
    if entry.row.reference is None and ceiling is not None:
        reference = f"none (ceiling {ceiling:g})"
    task = " ".join(filter(None, (entry.row.task, entry.row.setting)))
    return [entry.paper, task, method, entry.budget, reference, *rest, entry.cost]


def render(listed: Sequence[Entry]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("seeds", "cost a seed") else "left")
    for entry in listed:
        table.add_row(*cells(entry))
    if questioned_sentence(listed):
        table.caption = questioned_sentence(listed)
        table.caption_justify = "left"
    return table


def questioned_sentence(listed: Sequence[Entry]) -> str:
    """What the mark behind a reported number means; nothing where there is none."""
    facts = {entry.row.reference.questioned for entry in listed if entry.row.reference} - {""}
    mark = f"{QUESTIONED}: a fact speaks against the reported number, and no verdict against it passes; "
    return f"{mark}`mirl compare` says which." if facts else ""


def markdown(listed: Sequence[Entry]) -> str:
    """The table of README.md: what was run, without the cost, which differs from host to host."""
    run = [entry for entry in listed if entry.row.ours.n]
    registered = [entry for entry in listed if entry.budget == "paper"]
    lines = [COLUMNS[:-1], ["---"] * (len(COLUMNS) - 1), *(cells(entry)[:-1] for entry in run)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    missing = sum(not entry.row.ours.n for entry in registered)
    left = f"Not run at the paper's budget: {missing} of {len(registered)} rows."
    return f"{table}\n\n{' '.join(filter(None, (left, questioned_sentence(run))))}"
