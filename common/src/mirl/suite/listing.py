"""`mirl list`: every experiment in a line, for a terminal or as the table in the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.clock import describe_duration
from mirl.suite import plan
from mirl.suite.experiments import Budget, Experiments
from mirl.suite.fitting import FittingTable, Row
from mirl.suite.lines import colour_of
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

RIGHT = ("seeds", "cost a seed")
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


def render(listed: Sequence[Entry], show_all: bool) -> RenderableType:
    """A summary, a line a paper, and every experiment that was run; with `show_all` the others as well."""
    shown = [entry for entry in listed if show_all or entry.row.ours.n]
    left = len(listed) - len(shown)
    parts: list[RenderableType] = [summary(listed)]
    if shown:
        rows = [Row(line[:4], line[4:], style=colour_of(line[-2])) for line in map(cells, shown)]
        parts += [Text(), FittingTable(COLUMNS[:4], COLUMNS[4:], rows, coloured="verdict", right=RIGHT)]
    if questioned_sentence(shown):
        parts.append(Text(questioned_sentence(shown), style="dim"))
    if left:
        parts += [
            Text(),
            Text(f"{left:,} more experiments, not run here: mirl list --all, or --paper with one of them"),
        ]
    return Group(*parts)


def summary(listed: Sequence[Entry]) -> FittingTable:
    """How many registered results of each paper were run, and what came of them."""
    rows = []
    for paper in dict.fromkeys(entry.paper for entry in listed):
        mine = [entry for entry in listed if entry.paper == paper]
        at_paper = [entry.row for entry in mine if entry.budget == "paper"]
        run = [row for row in at_paper if row.ours.n]
        smaller = sum(entry.budget != "paper" for entry in mine)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(row.verdict for row in run).items())
        rows.append(Row([paper], [f"{len(at_paper)}", f"{len(run)}", f"{smaller}", verdicts]))
    heads = ("registered", "run at the paper's budget", "at the workstation budget", "verdicts at the paper's budget")
    return FittingTable(["paper"], heads, rows, right=heads[:3])


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
