"""What runs are doing: a table for `mirl status` and, on a terminal, live during `mirl reproduce`; else lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from mirl.clock import describe_duration, describe_progress
from mirl.config import ConfigError
from mirl.suite.experiments import RunSpec
from mirl.suite.results import State, read_state, run_directory

LINE_PERIOD_S = 30.0
STYLES = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red", "interrupted": "yellow"}


@dataclass(frozen=True)
class Progress:
    """How far one run is."""

    spec: RunSpec
    state: State
    env_step: int
    total_env_steps: int
    env_steps_per_s: float
    wall_s: float
    """Of a finished run; 0 before."""
    note: str
    """Why it is not finished, or the last metric."""


def read_progress(root: Path, spec: RunSpec) -> Progress:
    """From run.json and manifest.json; a run that was not begun has zeros."""
    found = read_state(run_directory(root, spec))
    record = found.record
    return Progress(
        spec,
        found.state,
        env_step=record.get("env_step", 0),
        total_env_steps=record.get("total_env_steps", 0),
        env_steps_per_s=record.get("env_steps_per_s", 0.0),
        wall_s=found.manifest.get("wall_s", 0.0),
        note=found.reason or record.get("last_metric", ""),
    )


def begun(root: Path, budget: str | None, paper: str | None) -> list[Progress]:
    """Every run that has a run.json under results/runs, by name."""
    folder = root / "results/runs"
    runs = []
    for path in sorted(folder.glob(f"{budget or '*'}/{paper or '*'}/*/*/seed*/run.json")):
        try:
            spec = RunSpec.parse(str(path.parent.relative_to(folder)))
        except ConfigError:  # a folder that was moved aside
            continue
        runs.append(read_progress(root, spec))
    return runs


def render(runs: Sequence[Progress]) -> Table:
    """A line a run: state, bar, env steps, speed, time left, last metric or reason."""
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "", "env steps", "per s", "eta", "last"):
        table.add_column(column, justify="right" if column in ("env steps", "per s", "eta") else "left", no_wrap=True)
    for run in runs:
        left = (run.total_env_steps - run.env_step) / run.env_steps_per_s if run.env_steps_per_s else 0.0
        table.add_row(
            str(run.spec),
            f"[{STYLES.get(run.state, 'dim')}]{run.state}[/]",
            ProgressBar(total=run.total_env_steps, completed=run.env_step, width=16) if run.total_env_steps else "",
            f"{run.env_step:,}" if run.total_env_steps else "",
            f"{run.env_steps_per_s:,.0f}" if run.env_steps_per_s else "",
            describe_duration(left) if run.state == "running" and left > 0 else "",
            run.note,
        )
    return table


class Watcher:
    """Shows the runs of one `mirl reproduce`: a live table on a terminal, a line at each change elsewhere."""

    def __init__(self, root: Path, specs: Sequence[RunSpec], console: Console) -> None:
        self.root, self.specs, self.console = root, specs, console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.states: dict[RunSpec, str] = {run.spec: run.state for run in self.read()}
        self.spoken = time.monotonic()

    def read(self) -> list[Progress]:
        return [read_progress(self.root, spec) for spec in self.specs]

    def __enter__(self) -> Watcher:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def refresh(self) -> None:
        runs = self.read()
        if self.live:
            self.live.update(render(runs), refresh=True)
            return
        for run in runs:
            if run.state != self.states[run.spec]:
                self.states[run.spec] = run.state
                self.say(run)
        if time.monotonic() - self.spoken > LINE_PERIOD_S:
            for run in runs:
                if run.state == "running":
                    self.say(run)

    def say(self, run: Progress) -> None:
        self.spoken = time.monotonic()
        words = {
            "finished": f"in {describe_duration(run.wall_s)}",
            "running": describe_progress(run.env_step, run.total_env_steps, run.env_steps_per_s),
        }
        self.console.print(f"{run.spec}  {run.state}  {words.get(run.state, run.note)}")
