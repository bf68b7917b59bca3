"""Comparisons as they are shown in a terminal 100 columns wide: one line of numbers a row, its reason beneath."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.suite.lines import Line, lined_table
from mirl.verdict.claims import ClaimRow
from mirl.verdict.comparison import Comparison, ComparisonRow, CurveOfSeeds
from mirl.verdict.judgement import decimals, show_interval, show_p

QUESTIONED = "(?)"
"""Behind a reported number that is questioned."""


def render(comparison: Comparison, task: str | None = None, method: str | None = None) -> RenderableType:
    """The comparison, or the rows of one task or method and the claims that speak of it."""
    rows = [row for row in comparison.rows if task in (None, row.task) and method in (None, row.method)]
    claims = [
        claim
        for claim in comparison.claims
        if (task is None or task in claim.tasks) and method in (None, claim.better, claim.worse)
    ]
    whose = "theirs (mean ± sd)" if comparison.source == "authors" else "ours (mean ± sd)"
    heads: tuple[str, ...] = ("method", "reference", whose, "95 % CI", "n", "verdict")
    source = ", the seeds that its authors released" if comparison.source == "authors" else ""
    parts: list[RenderableType] = [
        Text(f"{comparison.paper}, budget {comparison.budget}{source}", style="bold"),
        lined_table(heads, [Line(cells_of(row), sentence_of(row), section_of(row)) for row in rows]),
    ]
    parts += [
        Text(f"  {task}: {note}", style="dim") for task, note in {row.task: row.note for row in rows}.items() if note
    ]
    parts += [Text(f"  {line}", style="dim") for line in dict.fromkeys(chain.from_iterable(map(context_of, rows)))]
    if comparison.source != "authors" and any(row.setting for row in rows):
        parts += [Text(), settings_table(rows)]
    if claims:
        heads = ("claim", "P(better)", "95 % CI", "p", "n", "verdict")
        lines = [Line(cells_of_claim(claim), claim_sentence(claim)) for claim in claims]
        parts += [Text(), lined_table(heads, lines)]
    return Group(*parts)


def settings_table(rows: Sequence[ComparisonRow]) -> RenderableType:
    """Our mean and sd, a line a task and method, a column a setting."""
    settings = list(dict.fromkeys(row.setting for row in rows if row.setting))
    ours: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        cells = ours.setdefault((row.task, row.method), {})
        cells[row.setting] = ours_of(row)
    lines = [
        Line([method, *(cells.get(setting, "–") for setting in settings)], section=f"{task}  ours, mean ± sd")
        for (task, method), cells in ours.items()
    ]
    return lined_table(("method", *settings), lines)


def ours_of(row: ComparisonRow) -> str:
    mean = row.ours.mean
    return "–" if mean is None else with_spread(mean, row.ours.sd, decimals(mean))


def cells_of(row: ComparisonRow) -> list[str]:
    ours, reference = row.ours, row.reference
    shown = [value for value in (ours.mean, reference.value if reference else None) if value is not None]
    digits = decimals(*shown)
    return [
        row.method,
        with_spread(reference.value, reference.spread, digits) + mark_of(row) if reference else ceiling_of(row),
        with_spread(ours.mean, ours.sd, digits) if ours.mean is not None else "–",
        show_interval(ours.mean_interval, digits) if ours.mean_interval else "–",
        str(ours.n),
        verdict_of(row),
    ]


def verdict_of(row: ComparisonRow) -> str:
    """The verdict; one that could be read as a success says where doing nothing does as well."""
    if row.verdict in ("equivalent", "better") and row.above_floor in ("no", "not surely"):
        how = "not" if row.above_floor == "no" else row.above_floor
        return f"{row.verdict}, {how} above the floor"
    if row.verdict == "equivalent" and row.coarse:
        return "equivalent, as all methods are"
    return row.verdict.removesuffix(" (budget)")


def context_of(row: ComparisonRow) -> list[str]:
    """What others report in the same metric, a line a source; it judges nothing."""
    by_source: dict[str, list[str]] = {}
    for one in row.context:
        by_source.setdefault(one.source, []).append(f"{one.method} {one.value:g}")
    return [
        f"{row.task} {row.setting}, context that judges nothing: {', '.join(numbers)} ({source})"
        for source, numbers in by_source.items()
    ]


def section_of(row: ComparisonRow) -> str:
    better = "higher" if row.higher_is_better else "lower"
    setting = f"{row.setting}: " if row.setting else ""
    return f"{row.task}  {setting}{row.metric}, {better} is better, margin ±{row.margin:g} {row.unit}"


def with_spread(mean: float, spread: float | None, digits: int) -> str:
    return f"{mean:,.{digits}f}" + (f" ± {spread:,.{digits}f}" if spread is not None else "")


def ceiling_of(row: ComparisonRow) -> str:
    """What stands in place of a reported number: how high (or low) the metric can go, where that is known."""
    sign = "≤" if row.higher_is_better else "≥"
    return next((f"{sign} {bound.value:g}" for bound in row.bounds if bound.role == "ceiling"), "–")


def mark_of(row: ComparisonRow) -> str:
    """QUESTIONED behind a reported number that can carry no pass."""
    return f" {QUESTIONED}" if row.reference and row.reference.questioned else ""


def sentence_of(row: ComparisonRow) -> str:
    """The reason; nothing where there is nothing to explain. A number that is questioned is always explained."""
    fact = row.reference.questioned if row.reference else ""
    question = f"questioned: {fact}" if fact and fact not in row.reason else ""
    if row.verdict == "not run" and row.reason.startswith("no seed"):
        return question
    return "; ".join(filter(None, (row.reason, question, middle_of(row), curve_sentence(row.curve))))


def middle_of(row: ComparisonRow) -> str:
    """The interquartile mean; of fewer than four seeds it is the mean."""
    ours = row.ours
    if ours.iqm is None or ours.iqm_interval is None:
        return ""
    digits = decimals(ours.iqm)
    return f"IQM {ours.iqm:,.{digits}f}, bootstrap 95 % {show_interval(ours.iqm_interval, digits)}"


def curve_sentence(curve: CurveOfSeeds | None) -> str:
    """'train/return: 0.9 reached by 3 of 5 seeds, median never; mean height of the curve 0.41'."""
    if curve is None:
        return ""
    median = "never" if curve.median_steps is None else f"after {curve.median_steps:,.0f} env steps"
    digits = decimals(curve.area_mean)
    height = f"mean height of the curve {curve.area_mean:,.{digits}f}"
    if curve.area_interval:
        height += f", 95 % CI {show_interval(curve.area_interval, digits)}"
    reached = f"{curve.threshold:g} reached by {curve.reached} of {len(curve.steps)} seeds, median {median}"
    return f"{curve.name}: {reached}; {height}"


def cells_of_claim(claim: ClaimRow) -> list[str]:
    return [
        claim.id,
        f"{claim.probability:.2f}" if claim.probability is not None else "–",
        show_interval(claim.interval, 2) if claim.interval else "–",
        show_p(claim.p_holm).removeprefix("p = ").removeprefix("p ") if claim.p_holm is not None else "–",
        str(claim.n),
        claim.verdict,
    ]


def claim_sentence(claim: ClaimRow) -> str:
    return f"“{claim.statement}” ({claim.source}): {claim.reason}"
