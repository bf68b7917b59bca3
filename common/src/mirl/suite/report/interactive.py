"""Figures for the screen: Plotly's description as JSON. Colours are places in a palette that the page's style has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mirl.suite.plot import COLOURS
from mirl.suite.records import Reference
from mirl.suite.report.curves import Curve
from mirl.suite.report.figures import CurveFigure, Mark, SeedsFigure, Strip, style
from mirl.verdict.statistics import Interval

DASHES = ("solid", "dash", "dashdot", "dot")
HOLLOW: dict[str, Any] = {"symbol": "square-open", "size": 10, "line": {"width": 2}}
"""What a reported number looks like."""
LIFT = 0.2
"""How far a reference stands above its line, in lines."""
LINE_PX = 52
HEIGHT_PX = 360
LAYOUT: dict[str, Any] = {
    "template": go.layout.Template(),
    "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    "dragmode": False,
    "showlegend": True,
}


def draw_curves(figure: CurveFigure, places: Mapping[str, int]) -> dict[str, Any]:
    """Mean, 95 % band and seeds of every method; the paper's numbers where they were reported."""
    traces: list[Any] = []
    for curve in figure.curves:
        traces += curve_traces(curve, places[curve.method])
    traces += [mark_trace(mark, places[mark.method]) for mark in figure.marks]
    layout = go.Layout(
        **LAYOUT,
        height=HEIGHT_PX,
        hovermode="x unified",
        xaxis={
            "title": {"text": "environment steps"},
            "automargin": True,
            "hoverformat": ",.0f",
            "rangemode": "tozero",
        },
        yaxis={"title": {"text": figure.metric}, "automargin": True},
        shapes=[bound_line(bound, "y") for bound in figure.bounds],
    )
    return as_json(traces, layout)


def curve_traces(curve: Curve, place: int) -> list[Any]:
    """The band, the seeds and the mean; a click on the mean's name in the legend hides all three."""
    steps, named = (
        [float(step) for step in curve.env_steps],
        {"legendgroup": curve.method, "meta": {"series": place % len(COLOURS)}},
    )
    quiet = {**named, "hoverinfo": "skip", "showlegend": False, "mode": "lines"}
    traces = []
    across, up = outline(curve)
    if across:
        traces.append(go.Scatter(x=across, y=up, line={"width": 0}, fill="toself", **quiet))
    if len(curve.seeds) > 1:
        traces += [
            go.Scatter(x=steps, y=numbers(values), line={"width": 1}, opacity=0.35, **quiet)
            for values in curve.seeds.values()
        ]
    seeds = "1 seed" if len(curve.seeds) == 1 else f"{len(curve.seeds)} seeds"
    mean = go.Scatter(
        x=steps,
        y=numbers(curve.mean),
        customdata=[[show_interval(low, high)] for low, high in zip(curve.low, curve.high, strict=True)],
        hovertemplate="%{y:.4g}%{customdata[0]}",
        name=f"{curve.method} ({seeds})",
        mode="lines",
        line={"width": 2.5, "dash": DASHES[style(place)]},
        **named,
    )
    return [*traces, mean]


def outline(curve: Curve) -> tuple[list[float | None], list[float | None]]:
    """Around the band: for each stretch that has an interval there along its lower ends and back along its upper ones,
    and a gap behind it."""
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    across: list[float | None] = []
    up: list[float | None] = []
    for start, stop in edges.reshape(-1, 2):
        there = [float(step) for step in curve.env_steps[start:stop]]
        across += [*there, *reversed(there), None]
        up += [*numbers(curve.low[start:stop]), *reversed(numbers(curve.high[start:stop])), None]
    return across, up


def mark_trace(mark: Mark, place: int) -> Any:
    return go.Scatter(
        x=[mark.env_steps],
        y=[mark.value],
        error_y=error_bar(mark.value, mark.interval),
        name=f"{mark.method}, reported",
        hovertemplate="%{y:.4g}" + (show_interval(*mark.interval) if mark.interval else ""),
        mode="markers",
        marker=HOLLOW,
        cliponaxis=False,
        meta={"series": place % len(COLOURS)},
    )


def draw_seeds(figure: SeedsFigure, places: Mapping[str, int]) -> dict[str, Any]:
    """Each seed, our mean with its interval, and the reported number above it."""
    traces: list[Any] = []
    lines = len(figure.strips)
    for line, strip in enumerate(figure.strips):
        traces += strip_traces(strip, lines - 1 - line, places[strip.method] % len(COLOURS))
    layout = go.Layout(
        **{**LAYOUT, "showlegend": False, "margin": {**LAYOUT["margin"], "t": 32}},
        height=LINE_PX * lines + 104,
        hovermode="closest",
        xaxis={"title": {"text": figure.metric}, "automargin": True},
        yaxis={
            "tickvals": list(range(lines)),
            "ticktext": [strip.label for strip in reversed(figure.strips)],
            "range": [-0.6, lines - 0.4],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        shapes=[bound_line(bound, "x") for bound in figure.bounds],
    )
    return as_json(traces, layout)


def strip_traces(strip: Strip, y: float, series: int) -> list[Any]:
    """The seeds, our mean on them and the reported number above."""
    names = [f"seed {seed}" for seed in strip.seeds]
    seeds = go.Scatter(
        x=list(strip.seeds.values()),
        y=[y] * len(names),
        text=names,
        hovertemplate="%{text}: %{x:.5g}<extra></extra>",
        mode="markers",
        marker={"symbol": "circle", "size": 9, "opacity": 0.45},
        meta={"series": series},
    )
    traces = [seeds]
    if strip.mean is not None:
        traces.append(point("mean", strip.mean, strip.interval, y, series, {"symbol": "diamond", "size": 11}))
    if strip.reference:
        traces.append(point("reported", strip.reference.value, strip.reference_interval, y + LIFT, series, HOLLOW))
    return traces


def point(word: str, value: float, interval: Interval | None, y: float, series: int, marker: dict[str, Any]) -> Any:
    """One number with its interval."""
    return go.Scatter(
        x=[value],
        y=[y],
        error_x=error_bar(value, interval),
        hovertemplate=f"{word} %{{x:.5g}}{show_interval(*interval) if interval else ''}<extra></extra>",
        mode="markers",
        marker=marker,
        meta={"series": series},
    )


def bound_line(bound: Reference, axis: str) -> dict[str, Any]:
    """A ceiling or a floor, right across the figure."""
    across, along = ("x", "y") if axis == "y" else ("y", "x")
    ends = {
        f"{across}ref": "paper",
        f"{across}0": 0,
        f"{across}1": 1,
        f"{along}0": bound.value,
        f"{along}1": bound.value,
    }
    return {"type": "line", "layer": "below", "line": {"width": 1, "dash": "dot"}, "name": bound.role, **ends}


def error_bar(value: float, interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {"type": "data", "symmetric": False, "array": [interval[1] - value], "arrayminus": [value - interval[0]],
            "thickness": 1.5, "width": 4}  # fmt: skip


def show_interval(low: float, high: float) -> str:
    return f" ({low:.4g} … {high:.4g})" if math.isfinite(low) and math.isfinite(high) else ""


def numbers(values: Iterable[float]) -> list[float | None]:
    """Six digits; None, a gap in the line, where there is no number."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def as_json(traces: Sequence[Any], layout: go.Layout) -> dict[str, Any]:
    """Checked by Plotly, without what it leaves at its default."""
    figure: dict[str, Any] = go.Figure(traces, layout).to_plotly_json()
    return figure
