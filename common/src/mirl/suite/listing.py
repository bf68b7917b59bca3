"""`mirl list`: every experiment in a line, for a terminal or as the table in the README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from mirl.clock import describe_duration
from mirl.suite import plan
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.results import Source
from mirl.verdict import comparison
from mirl.verdict.comparison import ComparisonRow
from mirl.verdict.tables import cells_of

COLUMNS = ("paper", "task", "method", "reference", "ours (mean ± sd)", "95 % CI", "seeds", "verdict", "cost a seed")


@dataclass(frozen=True)
class Entry:
    """One experiment: a paper's task with one method, at the paper's budget."""

    paper: str
    row: ComparisonRow
    cost: str
    """Time of one run on this host."""


def entries(root: Path, experiments: Experiments, papers: Sequence[str], source: Source) -> Iterator[Entry]:
    for paper in papers:
        for row in comparison.build(root, experiments, paper, "paper", source).rows:
            spec = RunSpec(budget="paper", paper=paper, task=row.task, method=row.method, seed=0)
            estimate = plan.estimate(root, experiments, spec)
            yield Entry(paper, row, describe_duration(estimate.wall_s))


def cells(entry: Entry) -> list[str]:
    method, reference, *rest = cells_of(entry.row)
    ceiling = next((bound.value for bound in entry.row.bounds if bound.role == "ceiling"), None)
    if entry.row.reference is None and ceiling is not None:
        reference = f"none (ceiling {ceiling:g})"
    return [entry.paper, entry.row.task, method, reference, *rest, entry.cost]


def render(listed: Sequence[Entry]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("seeds", "cost a seed") else "left")
    for entry in listed:
        table.add_row(*cells(entry))
    return table


def markdown(listed: Sequence[Entry]) -> str:
    """The table of README.md, without the cost, which differs from host to host."""
    lines = [COLUMNS[:-1], ["---"] * (len(COLUMNS) - 1), *(cells(entry)[:-1] for entry in listed)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
