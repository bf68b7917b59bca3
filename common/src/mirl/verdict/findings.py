"""Stated numbers and simulated error rates, as they are shown in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.verdict.reported import Recomputed
from mirl.verdict.simulation import Rates, Truth
from mirl.verdict.tables import Line, lined_table


def render_stated(found: Sequence[Recomputed]) -> RenderableType:
    """Every stated number beside the recomputed one, with the reason where they differ; then a line that counts."""
    lines = [
        Line(
            [who(one), one.statistic.replace("_", " "), f"{one.stated:,.6g}", recomputed_of(one), one.finding],
            "" if one.finding == "matches" else one.reason,
            one.source,
        )
        for one in found
    ]
    heads = ("task, setting, method", "number", "stated", "recomputed (as rounding allows)", "finding")
    return Group(lined_table(heads, lines), Text(), Text(summary(found)))


def who(one: Recomputed) -> str:
    against = f" over {one.against}" if one.against else ""
    return f"{one.task} {one.setting} {one.method}{against}"


def recomputed_of(one: Recomputed) -> str:
    if one.value is None or one.interval is None:
        return "–"
    return f"{one.value:,.4g} ({one.interval[0]:,.4g} … {one.interval[1]:,.4g})"


def summary(found: Sequence[Recomputed]) -> str:
    """'111 stated numbers: 90 match, 19 do not match, 2 cannot be recomputed'."""
    counts = [sum(one.finding == finding for one in found) for finding in ("matches", "does not match")]
    left = len(found) - sum(counts)
    return (
        f"{len(found)} stated numbers: {counts[0]} match, {counts[1]} do not match, {left} cannot be recomputed. "
        "A number matches where rounding lets it; of a test, where Student's or Welch's does."
    )


def render_rates(rates: Sequence[Rates], sizes: Sequence[tuple[int, int, float, float]]) -> RenderableType:
    """Error rates beside what is promised. `sizes`: (our seeds, theirs, Welch's worst rate, TOST's worst rate)."""
    verdicts = [one for one in rates if isinstance(one.truth, Truth)]
    claims = [one for one in rates if not isinstance(one.truth, Truth)]
    note = (
        f"{rates[0].repetitions:,} experiments for each truth. Kept: at most what is promised and three standard "
        "errors of the simulation. A claim's share is of papers with at least one such claim."
    )
    welch = [Line([f"{n} against {m}", f"{test:.1%}", f"{half:.1%}", "5.0%"]) for n, m, test, half in sizes]
    return Group(
        rates_table(verdicts, ("equivalent", "better", "worse", "inconclusive")),
        Text(),
        rates_table(claims, ("holds", "fails", "inconclusive")),
        Text(note, style="dim"),
        Text(),
        Text("Why five seeds on either side: largest error of tests at 5 %, normal seeds, over ratios of the sds"),
        lined_table(("seeds", "Welch's test", "one half of TOST", "nominal"), welch),
    )


def rates_table(rates: Sequence[Rates], names: Sequence[str]) -> RenderableType:
    lines = []
    for one in rates:
        truth = one.truth
        seeds = f"{truth.n}, {truth.reference_n}" if isinstance(truth, Truth) else str(truth.n)
        sds = f"  sd {truth.sd:g}, {truth.reference_sd:g}" if isinstance(truth, Truth) else ""
        shares = [f"{one.shares.get(name, 0.0):.1%}" for name in names]
        finding = "not promised" if not truth.is_promised else "kept" if one.keeps_level else "exceeded"
        cells = [f"{truth.name}{sds}", seeds, *shares, f"{one.error:.1%}", f"{truth.nominal:.0%}", finding]
        lines.append(Line(cells, section=f"{truth.law} seeds"))
    return lined_table(("truth", "n", *names, "wrong", "promised", "finding"), lines)
