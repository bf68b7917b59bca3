"""The files that the original leaves beside its checkpoint (card 6), and the robustness test's table and plot."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mirl.files import whole_lines, write_atomically, write_json
from mirl.run import Header
from mummi.config import Config
from mummi.play import Played
from mummi.settings import RATIOS

Episodes = Mapping[str, Sequence[Played]]
"""Setting -> its episodes."""
KEYS = {
    "train/return": "train/return", "train/length": "train/length", "train/episodes": "episodes",
    "eval/return": "test/return", "eval/length": "test/length", "time/fps": "fps",
    "loss/div": "div",
}  # fmt: skip
"""Our metric -> the original's key, where the rule of `original_key` does not give it."""


def original_key(name: str) -> str:
    """loss/image -> image_loss, train/prior_ent -> prior_ent."""
    group, _, rest = name.partition("/")
    return KEYS.get(name) or (f"{rest}_loss" if group == "loss" else rest)


def write_original_files(directory: Path, header: Header, config: Config) -> None:
    """metrics.jsonl, derived from metrics.csv so that an interrupted run's is whole, and for cvrl args.json."""
    lines = [json.dumps(line) for line in metrics_lines(directory / "metrics.csv")]
    write_atomically(directory / "metrics.jsonl", "".join(line + "\n" for line in lines))
    if header.method == "cvrl":
        write_json(directory / "args.json", {"task": header.task, "seed": header.seed, **asdict(config)})


def metrics_lines(path: Path) -> Iterator[dict[str, float]]:
    """A line for each time that something was logged: its step, and the values under the original's keys."""
    rows = csv.DictReader(whole_lines(path.read_text(encoding="utf-8")))
    for (step, _), group in groupby(rows, key=lambda row: (row["env_step"], row["wall_s"])):
        yield {"step": int(step), **{original_key(row["name"]): float(row["value"]) for row in group}}


def note_videos(directory: Path, videos: Mapping[str, Any]) -> None:
    """backgrounds.json: where the videos behind the scene came from, which every result has to say, and which."""
    write_json(directory / "backgrounds.json", dict(videos))


def append_results(directory: Path, env_step: int, source: str, episodes: Episodes) -> None:
    """Add a line an episode to results.jsonl, as the original's test mode does (card 6)."""
    path = directory / "results.jsonl"
    before = whole_lines(path.read_text(encoding="utf-8")) if path.exists() else []
    lines = [
        {"step": env_step, "miss_ratio": RATIOS[setting], "test/return": one.total, "test/length": one.length,
         "backgrounds": source}
        for setting, found in episodes.items()
        for one in found
    ]  # fmt: skip
    write_atomically(path, "".join(line + "\n" for line in (*before, *map(json.dumps, lines))))


def write_robustness(directory: Path, name: str, episodes: Episodes) -> None:
    """<name>.csv, a row a missing ratio, and <name>.png."""
    table = robustness_table(episodes)
    text = "".join(",".join(map(str, row)) + "\n" for row in (table[0], *(row.values() for row in table)))
    write_atomically(directory / f"{name}.csv", text)
    draw(directory / f"{name}.png", table)


def robustness_table(episodes: Episodes) -> list[dict[str, Any]]:
    """miss_ratio, episodes, mean and sd (ddof 0) of returns."""
    rows = []
    for setting, found in episodes.items():
        returns = [one.total for one in found]
        mean, sd = float(np.mean(returns)), float(np.std(returns))
        rows.append({"miss_ratio": RATIOS[setting], "episodes": len(returns), "mean": mean, "sd": sd})
    return rows


def draw(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """Return over missing ratio, with the episodes' standard deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    columns = [[row[name] for row in table] for name in ("miss_ratio", "mean", "sd")]
    axes.errorbar(columns[0], columns[1], yerr=columns[2], marker="o", capsize=4)
    axes.set(xlabel="missing ratio", ylabel="return per episode, mean ± sd")
    figure.savefig(path, dpi=120)
