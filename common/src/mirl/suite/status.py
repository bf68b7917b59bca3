"""What runs are doing: a table for `mirl status`, live while `mirl reproduce` works, lines where there is no terminal."""

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
from mirl.suite.experiments import RunSpec
from mirl.suite.results import RunState, read_state, run_directory

LINE_PERIOD_S = 30.0
STYLES = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red", "interrupted": "yellow"}


@dataclass(frozen=True)
class Progress:
    """One run as the table shows it."""

    spec: RunSpec
    state: RunState


def read_all(root: Path, specs: Sequence[RunSpec]) -> list[Progress]:
    return [Progress(spec, read_state(run_directory(root, spec))) for spec in specs]


def render(runs: Sequence[Progress]) -> Table:
    """A line a run: state, bar, env steps, speed, time left, last metric or reason."""
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "", "env steps", "per s", "eta", "last"):
        table.add_column(column, justify="right" if column in ("env steps", "per s", "eta") else "left", no_wrap=True)
    for run in runs:
        state = run.state
        bar = ProgressBar(total=max(state.total_env_steps, 1), completed=state.env_step, width=16)
        running = state.status == "running"
        left = (state.total_env_steps - state.env_step) / state.env_steps_per_s if state.env_steps_per_s else 0.0
        table.add_row(
            str(run.spec),
            f"[{STYLES.get(state.status, 'dim')}]{state.status}[/]",
            bar if state.total_env_steps else "",
            f"{state.env_step:,}" if state.total_env_steps else "",
            f"{state.env_steps_per_s:,.0f}" if state.env_steps_per_s else "",
            describe_duration(left) if running and left else "",
            state.reason or state.last_metric,
        )
    return table


class Watcher:
    """Shows the runs of one `mirl reproduce`: a live table on a terminal, a line at each change elsewhere."""

    def __init__(self, root: Path, specs: Sequence[RunSpec], console: Console) -> None:
        self.root, self.specs, self.console = root, specs, console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.statuses = {run.spec: run.state.status for run in read_all(root, specs)}
        self.spoken = time.monotonic()

    def __enter__(self) -> Watcher:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def refresh(self) -> None:
        runs = read_all(self.root, self.specs)
        if self.live:
            self.live.update(render(runs), refresh=True)
            return
        for run in runs:
            if run.state.status != self.statuses[run.spec]:
                self.statuses[run.spec] = run.state.status
                self.say(run)
        if time.monotonic() - self.spoken > LINE_PERIOD_S:
            for run in runs:
                if run.state.status == "running":
                    self.say(run)

    def say(self, run: Progress) -> None:
        self.spoken = time.monotonic()
        state = run.state
        where = describe_progress(state.env_step, state.total_env_steps, state.env_steps_per_s)
        words = {"finished": f"after {describe_duration(state.wall_s)}", "running": where}
        self.console.print(f"{run.spec}  {state.status}  {words.get(state.status, state.reason)}", highlight=False)
