"""Stated numbers, coincidences of seeds and simulated error rates, as they are shown in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.suite.lines import Line, lined_table
from mirl.verdict.coincidences import STEP, Coincidence, Tally
from mirl.verdict.coverage import PROMISE, Coverage
from mirl.verdict.reported import Recomputed
from mirl.verdict.simulation import Rates, Truth


def render_stated(found: Sequence[Recomputed]) -> RenderableType:
    """Every stated number that does not match beside the recomputed one, with the reason; then counts of all."""
    lines = [
        Line(
            [who(one), one.statistic.replace("_", " "), f"{one.stated:,.6g}", recomputed_of(one), one.finding],
            one.reason,
            one.source,
        )
        for one in found
        if one.finding != "matches"
    ]
    heads = ("task, setting, method", "number", "stated", "recomputed (as rounding allows)", "finding")
    parts = [counts_table(found), Text(), Text(summary(found))]
    return Group(lined_table(heads, lines), Text(), *parts) if lines else Group(*parts)


def counts_table(found: Sequence[Recomputed]) -> RenderableType:
    """How many numbers of each kind match, by their source."""
    lines = []
    for source in dict.fromkeys(one.source for one in found):
        same = [one for one in found if one.source == source]
        for statistic in dict.fromkeys(one.statistic for one in same):
            findings = [one.finding for one in same if one.statistic == statistic]
            names = ("matches", "does not match", "cannot be recomputed")
            counts = [str(findings.count(name)) for name in names]  # type: ignore[arg-type]
            lines.append(Line([statistic.replace("_", " "), *counts], section=source))
    return lined_table(("number", "match", "do not match", "cannot be recomputed"), lines)


def span(seeds: Sequence[int]) -> str:
    """'100-104' for seeds that follow each other, else '100, 103'."""
    several = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if several else ", ".join(map(str, seeds))


def render_coincidences(found: Sequence[Coincidence], tallies: Sequence[Tally]) -> RenderableType:
    """What coincides, and how much of it chance would give."""
    lines = [
        Line(
            [
                one.task,
                ", ".join(one.alike),
                f"{one.first}, {one.second}",
                span(one.seeds),
                str(one.decimals),
                f"{one.difference:+,f}" if one.difference else "equal",
            ]
        )
        for one in found
    ]
    counts = [Line([one.decimals, f"{one.pairs:,}", str(one.found), f"{one.expected:.3f}"]) for one in tallies]
    return Group(
        Text(f"Released seeds of one task and number that are equal or a whole multiple of {STEP} apart", style="bold"),
        lined_table(("task", "both of", "one of each", "seeds", "decimals", "second less first"), lines),
        Text(),
        lined_table(("decimals", "pairs", "coincide", "expected by chance"), counts),
        Text("Decimals are the fewest that both values show. Why values coincide is not known here.", style="dim"),
    )


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


def render_rates(
    rates: Sequence[Rates], sizes: Sequence[tuple[int, int, float, float]], covered: Sequence[Coverage]
) -> RenderableType:
    """Error rates and coverage beside what is promised. `sizes`: (our seeds, theirs, Welch's worst rate, TOST's)."""
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
        Text(),
        Text(
            f"How often the printed 95 % interval of the mean holds the truth; promised for normal seeds: {PROMISE:.0%}"
        ),
        coverage_table(covered),
        Text("“of”: the share of experiments in which an interval is printed at all.", style="dim"),
    )


def coverage_table(covered: Sequence[Coverage]) -> RenderableType:
    """A line a number of seeds, a column a law."""
    shares = {(one.law, one.n): one for one in covered}
    laws, numbers = dict.fromkeys(one.law for one in covered), dict.fromkeys(one.n for one in covered)
    lines = [
        Line([str(n), *(share_of(shares[law, n]) for law in laws), finding_of([shares[law, n] for law in laws])])
        for n in numbers
    ]
    return lined_table(("n", *laws, "finding"), lines)


def share_of(one: Coverage) -> str:
    return f"{one.share:.1%}" + (f" of {one.printed:.0%}" if one.printed < 0.995 else "")


def finding_of(row: Sequence[Coverage]) -> str:
    return "kept" if all(one.is_kept for one in row if one.is_promised) else "broken"


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
