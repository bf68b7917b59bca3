"""What runs are doing: a table for `mirl status` and, on a terminal, live during `mirl reproduce`; else lines.

Everything is read from the run directories, so runs on other hosts that share the folder are shown alike.
"""

from __future__ import annotations

import glob
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from mirl.clock import describe_duration, describe_progress
from mirl.config import ConfigError
from mirl.suite.fitting import FittingTable, Row
from mirl.suite.manifests import DamagedRunError, read_manifest, read_record
from mirl.suite.results import State, read_state, run_directory
from mirl.suite.selection import RunSpec

LINE_PERIOD_S = 30.0
STYLES = {
    "finished": "green", "running": "cyan", "damaged": "red", "failed": "red", "killed": "red", "interrupted": "yellow",
}  # fmt: skip
ORDER: tuple[State, ...] = ("running", "damaged", "failed", "killed", "interrupted", "not run", "finished")
BAR_WIDTH = 10
NOTE_WIDTH = 24
ROWS = 100
"""With more runs than this, those that matter least are counted and not shown: finished ones first."""


@dataclass(frozen=True)
class Progress:
    """How far one run is."""

    spec: RunSpec
    state: State
    env_step: int = 0
    total_env_steps: int = 0
    env_steps_per_s: float = 0.0
    wall_s: float = 0.0
    """Of a finished run; 0 before."""
    note: str = ""
    """Why it is not finished, or the last metric."""
    host: str = ""
    """Where it runs or ran last."""


def read_progress(root: Path, spec: RunSpec) -> Progress:
    """From run.json and manifest.json; a run that was not begun has zeros."""
    found = read_state(run_directory(root, spec), spec)
    record = found.record
    return Progress(
        spec,
        found.state,
        env_step=record.get("env_step", 0),
        total_env_steps=record.get("total_env_steps", 0),
        env_steps_per_s=record.get("env_steps_per_s", 0.0),
        wall_s=found.manifest.get("wall_s", 0.0),
        note=found.reason or record.get("last_metric", ""),
        host=record.get("host", ""),
    )


def begun(root: Path, budget: str | None, paper: str | None) -> list[RunSpec]:
    """Every run under results/runs that left a run.json or a manifest.json, by name."""
    folder = root / "results/runs"
    names = ("run.json", "manifest.json")
    places = {
        str(Path(place).parent)
        for name in names
        for place in glob.glob(f"{budget or '*'}/{paper or '*'}/*/*/seed*/{name}", root_dir=folder)
    }
    specs = []
    for place in sorted(places):
        try:
            specs.append(RunSpec.parse(place))
        except ConfigError:  # a folder that was moved aside
            continue
    return specs


def damages(root: Path, specs: Sequence[RunSpec]) -> list[DamagedRunError]:
    """The run.json and manifest.json files among these runs that are not what a run writes."""
    found = []
    for spec in specs:
        try:
            directory = run_directory(root, spec)
            if not read_manifest(directory, spec):
                read_record(directory)
        except DamagedRunError as damage:
            found.append(damage)
    return found


def overview(root: Path, specs: Sequence[RunSpec], show_all: bool) -> RenderableType:
    """How many runs are in which state, and a line a run: of all, or of as many as matter most."""
    runs = [read_progress(root, spec) for spec in specs]
    return render(runs, Counter(run.state for run in runs), len(specs) if show_all else ROWS)


def render(runs: Iterable[Progress], counts: Counter[State], rows: int) -> RenderableType:
    """A line a run, the running ones first, up to `rows` of them; then the counts."""
    ordered = sorted(runs, key=lambda run: ORDER.index(run.state))
    said = Text(", ".join(f"{counts[state]:,} {state}" for state in ORDER if counts[state]))
    if counts.total() > min(len(ordered), rows):
        said.append(f"; {min(len(ordered), rows)} of them are shown, all with: mirl status --all")
    return Group(table(ordered[:rows]), said) if ordered else said


def table(runs: Sequence[Progress]) -> FittingTable:
    """A row a run: state, bar, env steps, speed, time left, host where there are others, last metric or reason."""
    here = {"", socket.gethostname()}
    elsewhere = any(run.host not in here for run in runs)
    heads = ("state", "", "env steps", "per s", "eta", *(["host"] if elsewhere else []))
    rows = [
        Row(
            name=[str(run.spec)],
            cells=[
                run.state,
                bar(run),
                f"{run.env_step:,}" if run.total_env_steps else "",
                f"{run.env_steps_per_s:,.0f}" if run.env_steps_per_s else "",
                time_left(run),
                *([run.host] if elsewhere else []),
            ],
            note=run.note,
            style=STYLES.get(run.state, "dim"),
        )
        for run in runs
    ]
    return FittingTable(
        ["run"], heads, rows, coloured="state", right=("env steps", "per s", "eta"), note_width=NOTE_WIDTH
    )


def bar(run: Progress) -> str:
    """How much of a run is done; '' where nobody knows."""
    if not run.total_env_steps:
        return ""
    done = min(run.env_step / run.total_env_steps, 1.0)
    return ("━" * round(BAR_WIDTH * done)).ljust(BAR_WIDTH) + f" {done:4.0%}"


def time_left(run: Progress) -> str:
    left = (run.total_env_steps - run.env_step) / run.env_steps_per_s if run.env_steps_per_s else 0.0
    return describe_duration(left) if run.state == "running" and left > 0 else ""


class Watcher:
    """Shows the runs of one `mirl reproduce`: a live table on a terminal, a line at each change elsewhere."""

    def __init__(self, root: Path, specs: Sequence[RunSpec], console: Console) -> None:
        self.root, self.console = root, console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.runs = {spec: read_progress(root, spec) for spec in specs}
        self.spoken = time.monotonic()
        self.next_look = 0.0

    def __enter__(self) -> Watcher:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        if self.live:
            self.live.stop()

    def refresh(self) -> None:
        """Look at the runs again; thousands on a slow file system are looked at less often than they take to read."""
        began = time.monotonic()
        if began >= self.next_look:
            self.look()
            self.next_look = time.monotonic() + 9 * (time.monotonic() - began)

    def look(self) -> None:
        changed = []
        for spec, before in self.runs.items():
            if before.state != "finished":
                self.runs[spec] = read_progress(self.root, spec)
                if self.runs[spec].state != before.state:
                    changed.append(self.runs[spec])
        if self.live:
            runs = self.runs.values()
            self.live.update(render(runs, Counter(run.state for run in runs), ROWS), refresh=True)
            return
        if time.monotonic() - self.spoken > LINE_PERIOD_S:
            changed += [run for run in self.runs.values() if run.state == "running" and run not in changed]
        for run in changed:
            self.say(run)

    def say(self, run: Progress) -> None:
        self.spoken = time.monotonic()
        words = {
            "finished": f"in {describe_duration(run.wall_s)}",
            "running": describe_progress(run.env_step, run.total_env_steps, run.env_steps_per_s),
        }
        self.console.print(f"{run.spec}  {run.state}  {words.get(run.state, run.note)}", markup=False)
