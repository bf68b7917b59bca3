"""What the registration can answer, as it is shown in a terminal and on the report's first page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.suite.lines import Line, lined_table
from mirl.verdict.judgement import LEVEL, decimals
from mirl.verdict.power import ClaimPower, PowerRow, expected_by_chance
from mirl.verdict.tables import with_spread

HEADS = ("method", "reported", "n", "our n", "margin", "equivalent if equal", "worse if 2 margins worse")
LIKELY = 0.5


def render(rows: Sequence[PowerRow], claims: Sequence[ClaimPower]) -> RenderableType:
    """A line a result that has a reported number, and one a claim."""
    parts: list[RenderableType] = []
    if rows:
        parts.append(lined_table(HEADS, [line_of(row) for row in rows]))
    if claims:
        lines = [Line([one.id, show_least(one.least_p), "can hold" if one.can_hold else "cannot"], section=one.paper)
                 for one in claims]  # fmt: skip
        parts += [Text(), lined_table(("claim", "least p, corrected", f"at {LEVEL:.0%}"), lines)]
    return Group(*parts)


def line_of(row: PowerRow) -> Line:
    reference, chances = row.reference, row.chances
    digits = decimals(reference.value)
    cells = [
        row.method,
        with_spread(reference.value, reference.spread, digits),
        "–" if reference.n is None else str(reference.n),
        str(row.n),
        f"{row.margin:g}",
        "–" if chances is None else f"{chances.equivalent:.0%}",
        "–" if chances is None else f"{chances.worse:.0%}",
    ]
    place = " ".join(filter(None, (row.task, row.setting)))
    return Line(cells, row.note, f"{row.paper}  {place}: {reference.metric}")


def show_least(p: float) -> str:
    return f"{p:.4f}" if p >= 1e-4 else f"{p:.0e}"


def summary(rows: Sequence[PowerRow]) -> str:
    """What the verdicts on some results can come to, in two sentences."""
    open_rows = [row for row in rows if row.chances is not None]
    if not open_rows:
        return f"{len(rows)} results have a reported number; no verdict can be told from any of them."
    likely = sum(row.chances.equivalent >= LIKELY for row in open_rows if row.chances)
    ruled_out = sum(row.chances.equivalent == 0 for row in open_rows if row.chances)
    seen = sum(row.chances.worse >= LIKELY for row in open_rows if row.chances)
    coarse = sum(row.coarse for row in open_rows)
    return (
        f"{len(rows)} results have a reported number, {len(open_rows)} of them one that can be tested against. If all "
        f"were true, `equivalent` would be likelier than not for {likely} and impossible for {ruled_out}, and "
        f"{expected_by_chance(open_rows):.1f} would come out `better` or `worse` by chance alone. Being worse by two "
        f"margins would be seen more often than not in {seen}. For {coarse} the margin is as wide as the range of all "
        "reported methods, so that `equivalent` tells none of them apart."
    )
