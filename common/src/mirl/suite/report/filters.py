"""How templates write numbers and names."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from markupsafe import Markup

from mirl.clock import describe_duration
from mirl.suite.experiments import Metric
from mirl.suite.records import Band, FirstValue
from mirl.suite.report.collect import TaskReport
from mirl.suite.report.cost import counted
from mirl.suite.report.documents import JOINT, breakable
from mirl.suite.report.figures import distinct, judged_rows
from mirl.verdict import regression
from mirl.verdict.claims import ClaimRow
from mirl.verdict.comparison import ComparisonRow
from mirl.verdict.tables import cells_of, sentence_of

NOTHING = "–"
KINDS = {"metrics.csv.gz": "metrics", "episodes.csv.gz": "episodes", "manifest.json": "manifest"}


def number(value: float | None) -> str:
    """Five digits: '2.3354', '4,120,000'; 'not a number' for NaN and the infinities."""
    if value is None:
        return NOTHING
    if value != value or value in (float("inf"), float("-inf")):
        return "not a number"
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:.5g}"


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def compact(value: float) -> str:
    """'56.2 million'."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.1f} {word}"
    return count(value)


def duration(seconds: float | None) -> str:
    return NOTHING if seconds is None else describe_duration(seconds)


def command(words: Sequence[str]) -> str:
    return shlex.join(words)


def admitted(recorded: Band | FirstValue | None) -> str:
    """Where a tiny run's value is within; nothing where nothing was recorded."""
    return NOTHING if recorded is None else " … ".join(map(number, regression.admitted(recorded)))


def window(metric: Metric) -> str:
    """Where in a run the value is read."""
    return "last value" if metric.window == "last" else f"mean of the last {metric.points} values"


def shown(row: ComparisonRow) -> str:
    """The verdict of a row, with its reservation where it has one."""
    word = cells_of(row)[-1]
    return row.verdict if row.verdict.startswith(word) else word


def sentence(row: ComparisonRow) -> str:
    """What is said beneath a verdict."""
    return sentence_of(row) or row.reason


def state(row: ComparisonRow) -> str:
    """What is said of a result that is not run, and the question that its reported number carries."""
    return "; ".join(dict.fromkeys(filter(None, (row.reason, sentence_of(row)))))


def tasks_of(claim: ClaimRow) -> str:
    """'wide_ring, dog; extreme'."""
    return "; ".join(filter(None, (", ".join(claim.tasks), claim.setting)))


def bounds_sentence(task: TaskReport) -> str:
    """'Ceiling 49, floor 0.5.' of what was run; '' where neither is known."""
    bounds = [f"{bound.role} {bound.value:g}" for bound in distinct([row for row in judged_rows(task) if row.ours.n])]
    return (", ".join(bounds) + " (dotted where it lies near).").capitalize() if bounds else ""


def questioned_sentence(task: TaskReport) -> str:
    """'A fact speaks against the reported number of ours; far: the table says which.'; '' where none does."""
    rows = [row for row in judged_rows(task) if row.ours.n and row.reference and row.reference.questioned]
    names = ["; ".join(filter(None, (row.method, row.setting))) for row in rows]
    return f"A fact speaks against the reported number of {', '.join(names)}: the table says which." if names else ""


def joints(name: str) -> Markup:
    """A name that a narrow column may break after its joints."""
    return Markup(breakable(name))


def soft(label: str) -> str:
    """A label that may be broken after its joints where no markup can stand: zero-width spaces do it."""
    return JOINT.sub("\u200b", label)


def file_kind(address: str) -> str:
    return KINDS[address.rpartition("/")[2]]


FILTERS = {
    one.__name__: one
    for one in (
        admitted, bounds_sentence, cells_of, command, compact, count, counted, duration, file_kind, joints, number,
        questioned_sentence, sentence, shown, soft, state, tasks_of, window,
    )
}  # fmt: skip
