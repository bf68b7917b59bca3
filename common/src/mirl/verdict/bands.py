"""The tables of results/regression, and tiny runs as they are shown beside them; the rules are in regression.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.suite.lines import Line, lined_table
from mirl.suite.record_tables import read_table, write_table
from mirl.suite.records import FIRST_SUFFIX, Band, FirstValue
from mirl.verdict.judgement import decimals, show_interval
from mirl.verdict.regression import ROUNDING, Judged, Measurement, half_width, record


def bands_path(root: Path, paper: str) -> Path:
    return root / "results/regression" / f"{paper}.csv"


def first_values_path(root: Path, paper: str) -> Path:
    return root / "results/regression" / f"{paper}{FIRST_SUFFIX}.csv"


def read_bands(root: Path, paper: str) -> list[Band]:
    """The recorded bands of a paper; none where nothing is recorded. Raises ConfigError naming the line."""
    return read_table(bands_path(root, paper), Band)


def read_first_values(root: Path, paper: str) -> list[FirstValue]:
    """The recorded first values of a paper; none where nothing is recorded. Raises ConfigError naming the line."""
    return read_table(first_values_path(root, paper), FirstValue)


def update(
    root: Path, paper: str, measurements: Sequence[Measurement], lock_sha256: str, why: str
) -> tuple[Path, Path]:
    """Record new bands and first values, each table atomically; rows of other tasks and methods stay.

    All old rows of a measured task and method go, also of metrics that are no longer judged and of seeds not measured.
    Returns the paths of both tables; raises ConfigError, before either is written, for what `record` refuses.
    """
    new_bands, new_first = record(measurements, lock_sha256, why)
    renewed = {(one.task, one.method) for one in measurements}
    bands = [*(row for row in read_bands(root, paper) if (row.task, row.method) not in renewed), *new_bands]
    first = [*(row for row in read_first_values(root, paper) if (row.task, row.method) not in renewed), *new_first]
    paths = bands_path(root, paper), first_values_path(root, paper)
    write_table(paths[0], Band, sorted(bands, key=lambda row: (row.task, row.method, row.metric)))
    write_table(paths[1], FirstValue, sorted(first, key=lambda row: (row.task, row.method, row.metric, row.seed)))
    return paths


def render(judged: Sequence[Judged], lock_sha256: str | None = None) -> RenderableType:
    """A line a run and metric, and beneath what was judged. `lock_sha256`: of the lock in use, to name older rows."""
    lines = [
        Line(cells_of(one), one.reason, f"{one.measurement.task}  {one.measurement.method}") for one in judged
    ]  # fmt: skip
    table = lined_table(("metric", "seed", "value", "band", "n", "finding"), lines)
    return Group(table, Text(), *(Text(note, style="dim") for note in notes(judged, lock_sha256)))


def cells_of(one: Judged) -> list[str]:
    value, recorded = one.measurement.value, one.recorded
    ends = (recorded.low, recorded.high) if isinstance(recorded, Band) else (recorded.value,) if recorded else ()
    digits = scale(*(number for number in (value, *ends) if number))
    return [
        one.measurement.metric + (" (first)" if one.measurement.when == "first" else ""),
        str(one.measurement.seed),
        "–" if value is None else f"{value:,.{digits}f}",
        show_recorded(recorded, digits),
        str(recorded.n) if isinstance(recorded, Band) else "–",
        one.finding,
    ]


def show_recorded(recorded: Band | FirstValue | None, digits: int) -> str:
    """'1.234 … 5.678' for a band, '1.234 ± 0.012' for a first value."""
    if recorded is None:
        return "–"
    if isinstance(recorded, Band):
        return show_interval((recorded.low, recorded.high), digits)
    half = half_width(recorded)
    return f"{recorded.value:,.{digits}f} ± " + (f"{half:,.{digits}f}" if half >= 10**-digits else f"{half:.2g}")


def scale(*values: float) -> int:
    """Decimals that show four digits of the largest, also where that is far below 1 (losses are)."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=1.0)
    if largest >= 1 or largest == 0:
        return decimals(largest)
    return min(12, 3 - math.floor(math.log10(largest)))


def notes(judged: Sequence[Judged], lock_sha256: str | None) -> list[str]:
    """What a band and a first value are, and the rate of false alarms, in the numbers of this table."""
    recorded = [one.recorded for one in judged if one.recorded and one.finding != "not run"]
    bands = [row for row in recorded if isinstance(row, Band)]
    first = [row for row in recorded if isinstance(row, FirstValue)]
    lines = []
    if any(one.finding == "no band" for one in judged):
        lines.append("no band: nothing is recorded; `mirl regress --update --why …` records bands and first values.")
    if bands:
        alphas = ", ".join(f"{alpha:g}" for alpha in sorted({band.alpha for band in bands}))
        lines += [
            f"band: mean ∓ t(n-1, 1-α/2) · sd · √(1 + 1/n), the prediction interval for one new run, "
            f"α = {alphas}; at least ±{ROUNDING:g} of the mean.",
            f"{len(bands)} last values judged: with other seeds, or on another machine, an unchanged program has one "
            f"outside in at most {min(1.0, sum(band.alpha for band in bands)):.2%} of such tables.",
        ]
    if first:
        tolerances = ", ".join(f"{tolerance:.2g}" for tolerance in sorted({row.tolerance for row in first}))
        lines.append(
            f"(first): the first value recorded by the same seed, ± {tolerances} of itself. It has no variance over "
            f"seeds; an unchanged program differs by rounding alone."
        )
    if lock_sha256 and any(row.lock_sha256 != lock_sha256 for row in recorded):
        lines.append("Some rows were recorded with another lock; a difference may come from a library.")
    return lines
