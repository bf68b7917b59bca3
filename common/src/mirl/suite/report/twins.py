"""The same figures for print: PNG and SVG, drawn without a browser. The same data give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from mirl.suite.plot import STYLES
from mirl.suite.records import Reference
from mirl.suite.report.figures import CurveFigure, SeedsFigure, colour, style
from mirl.suite.report.interactive import LIFT
from mirl.verdict.statistics import Interval

LOOK: dict[str, Any] = {
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "mirl",
    "svg.fonttype": "path",
}
WIDTH = 6.4
"""Inches, a page's column and a half."""
FORMATS = ("png", "svg")


def draw_curves(figure: CurveFigure, places: Mapping[str, int], stem: Path) -> None:
    """Write `stem`.png and `stem`.svg."""
    with canvas(stem, 3.3) as axes:
        for curve in figure.curves:
            place = places[curve.method]
            axes.fill_between(curve.env_steps, curve.low, curve.high, color=colour(place), alpha=0.18, linewidth=0)
            if len(curve.seeds) > 1:
                for values in curve.seeds.values():
                    axes.plot(curve.env_steps, values, color=colour(place), linewidth=0.6, alpha=0.35)
            label = f"{curve.method} (n = {len(curve.seeds)})"
            axes.plot(
                curve.env_steps, curve.mean, STYLES[style(place)], color=colour(place), linewidth=1.8, label=label
            )
        for mark in figure.marks:
            error = error_bar(mark.value, mark.interval)
            axes.errorbar(mark.env_steps, mark.value, yerr=error, label=f"{mark.method}, reported",
                          **hollow(colour(places[mark.method])))  # fmt: skip
        axes.set(xlabel="environment steps", ylabel=figure.metric)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter())
        axes.grid(axis="y")
        bound_lines(axes, figure.bounds, "y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)


def draw_seeds(figure: SeedsFigure, places: Mapping[str, int], stem: Path) -> None:
    """Write `stem`.png and `stem`.svg: a line a method; seeds are discs, means diamonds, reported ones squares."""
    lines = len(figure.strips)
    with canvas(stem, 0.42 * lines + 0.75) as axes:
        for line, strip in enumerate(figure.strips):
            y, shade = lines - 1 - line, colour(places[strip.method])
            values = list(strip.seeds.values())
            axes.plot(values, [y] * len(values), "o", color=shade, markersize=5, alpha=0.45, markeredgewidth=0)
            if strip.mean is not None:
                error = error_bar(strip.mean, strip.interval)
                axes.errorbar(strip.mean, y, xerr=error, fmt="D", color=shade, markersize=5.5, capsize=3, linewidth=1.3)
            if strip.reference:
                error = error_bar(strip.reference.value, strip.reference_interval)
                axes.errorbar(strip.reference.value, y + LIFT, xerr=error, **hollow(shade))
        axes.set(xlabel=figure.metric, ylim=(-0.6, lines - 0.4))
        axes.set_yticks(range(lines), [strip.label for strip in reversed(figure.strips)])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        bound_lines(axes, figure.bounds, "x")


@contextmanager
def canvas(stem: Path, height: float) -> Iterator[Axes]:
    """Axes in mirl's look; what was drawn on them is written at the end."""
    with matplotlib.rc_context(LOOK):  # type: ignore[arg-type]
        figure, axes = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        try:
            yield axes
            axes.set_axisbelow(True)
            figure.savefig(stem.with_suffix(".png"), dpi=200, metadata={"Software": None})
            figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        finally:
            plt.close(figure)


def bound_lines(axes: Axes, bounds: Sequence[Reference], axis: str) -> None:
    """Ceilings and floors, right across the figure."""
    for bound in bounds:
        (axes.axhline if axis == "y" else axes.axvline)(bound.value, color="#777777", linewidth=0.9, linestyle=":")


def error_bar(value: float, interval: Interval | None) -> list[list[float]] | None:
    """Distances to both ends, as matplotlib wants them; rounding must not make one negative."""
    if interval is None or not all(map(math.isfinite, interval)):
        return None
    return [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]


def hollow(shade: str) -> dict[str, Any]:
    """What a reported number looks like."""
    return {"fmt": "s", "color": shade, "markerfacecolor": "white", "markersize": 5.5, "capsize": 3, "linewidth": 1.3}
