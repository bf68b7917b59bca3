"""`mirl plot`: learning curves of one task, every method with all its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import pandas as pd

from mirl.config import ConfigError, nearest
from mirl.suite.manifests import DamagedRunError, damage
from mirl.suite.results import Source, directory_of, read_metrics, read_state
from mirl.suite.selection import RunSpec
from mirl.suite.series import align, recorded_values, running_mean

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, which people with any colour vision can tell apart."""
STYLES = ("-", "--", "-.", ":")


def curves(
    root: Path, specs: Sequence[RunSpec], metric: str, source: Source
) -> tuple[dict[str, list[pd.Series]], list[DamagedRunError]]:
    """Method -> the values of each finished seed, indexed by env step; and the runs that were left out as damaged.

    Raises ConfigError where whole runs recorded other metrics, or where there is no run at all.
    """
    found: dict[str, list[pd.Series]] = {}
    damages: list[DamagedRunError] = []
    names: set[str] = set()
    for spec in specs:
        directory = directory_of(root, spec, source)
        damaged = damage(directory, spec)
        if damaged:
            damages.append(damaged)
        elif read_state(directory, spec).state == "finished":
            metrics = read_metrics(directory)
            names.update(metrics["name"])
            recorded = recorded_values(metrics, metric)
            if len(recorded):
                found.setdefault(spec.labelled_method, []).append(recorded)
    if names and not found:
        near = nearest(metric, sorted(names)) or f" (metrics: {', '.join(sorted(names))})"
        raise ConfigError(f"no metric {metric!r} in these runs{near}")
    if not found and not damages:
        raise ConfigError("no run of this budget is finished")
    return found, damages


def draw(by_method: Mapping[str, Sequence[pd.Series]], title: str, metric: str, points: int, path: Path) -> None:
    """Thin lines are seeds, each a running mean over its own `points` recorded values; the thick one is their mean, at
    the steps of all of them or, where these differ, over stretches of equal length."""
    figure, axes = plt.subplots(figsize=(7.0, 3.6), layout="constrained")
    for number, (method, seeds) in enumerate(by_method.items()):
        smooth = [running_mean(seed, points) for seed in seeds]
        colour = COLOURS[number % len(COLOURS)]
        for seed in smooth:
            axes.plot(seed.index, seed, color=colour, linewidth=0.8, alpha=0.35)
        env_steps, values, _ = align(smooth)
        label = f"{method} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})"
        style = STYLES[number % len(STYLES)]
        axes.plot(env_steps, values.mean(axis=0), style, color=colour, linewidth=2, label=label)
    axes.set(title=title, xlabel="environment steps (with action repeat)", ylabel=metric)
    axes.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160, metadata={"Software": None} if path.suffix == ".png" else None)
    plt.close(figure)
