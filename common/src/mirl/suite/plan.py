"""What runs will cost here: from finished runs on this host where there are any, else from reproduce.yaml."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from mirl.clock import describe_duration
from mirl.files import read_json
from mirl.suite import host
from mirl.suite.experiments import Budget, Experiments, RunSpec, Task
from mirl.suite.results import run_directory

DAY_S = 86_400.0


@dataclass(frozen=True)
class Estimate:
    """The expected cost of one run."""

    spec: RunSpec
    env_steps: int
    wall_s: float
    memory_mib: int
    basis: str
    """Where the time comes from: runs made here, or the registered cost."""
    finished: bool


def estimate(root: Path, experiments: Experiments, spec: RunSpec) -> Estimate:
    """Time and memory of one run on this host."""
    task = experiments.papers[spec.paper].tasks[spec.task]
    cost, env_steps = task.cost[spec.method], task.budgets[spec.budget].of(spec.method).env_steps
    finished = (run_directory(root, spec) / "manifest.json").exists()
    here = wall_seconds_here(root, spec)
    if here:
        return Estimate(
            spec, env_steps, statistics.median(here), cost.memory_mib, f"{len(here)} finished here", finished
        )
    wall_s = registered_wall_s(task, spec.method, spec.budget)
    return Estimate(spec, env_steps, wall_s, cost.memory_mib, "registered cost", finished)


def registered_wall_s(task: Task, method: str, budget: Budget) -> float:
    """Seconds of one run by the cost in reproduce.yaml: two cores of a desktop."""
    cost = task.cost[method]
    return task.budgets[budget].of(method).env_steps / cost.env_steps_per_s + cost.fixed_s


def wall_seconds_here(root: Path, spec: RunSpec) -> list[float]:
    """Wall seconds of this host's finished runs of the same budget, task and method."""
    folder = run_directory(root, spec).parent
    return [float(read_json(path)["wall_s"]) for path in folder.glob("seed*/manifest.json")]


def total_wall_s(estimates: Sequence[Estimate], jobs: int) -> float:
    """Seconds until the last of the unfinished runs ends, `jobs` at a time, longest first."""
    lanes = [0.0] * jobs
    for wall_s in sorted((one.wall_s for one in estimates if not one.finished), reverse=True):
        lanes[lanes.index(min(lanes))] += wall_s
    return max(lanes)


def default_jobs(experiments: Experiments, specs: Sequence[RunSpec]) -> int:
    """As many runs at a time as the cores of this host carry."""
    threads = max((experiments.papers[spec.paper].threads for spec in specs), default=1)
    return max(1, int(host.usable_cores() // threads))


def render(estimates: Sequence[Estimate]) -> Table:
    """A line per task and method, with seeds together."""
    table = Table(box=None, pad_edge=False)
    for column in ("paper", "task", "method", "seeds", "env steps a run", "time a run", "memory", "basis"):
        table.add_column(column, justify="right" if column in ("env steps a run", "time a run", "memory") else "left")
    groups: dict[tuple[str, str, str], list[Estimate]] = {}
    for one in estimates:
        groups.setdefault((one.spec.paper, one.spec.task, one.spec.labelled_method), []).append(one)
    for (paper, task, method), group in groups.items():
        first = group[0]
        seeds = ", ".join(f"{one.spec.seed}{' (done)' if one.finished else ''}" for one in group)
        table.add_row(
            paper, task, method, seeds, f"{first.env_steps:,}", describe_duration(first.wall_s),
            f"{first.memory_mib:,} MiB", first.basis,
        )  # fmt: skip
    return table


def summary(estimates: Sequence[Estimate], jobs: int) -> str:
    """One line: how many runs, how long, how much memory at a time, and whether this host has it."""
    left = [one for one in estimates if not one.finished]
    peak_mib = sum(sorted((one.memory_mib for one in left), reverse=True)[:jobs])
    free_mib = int(host.memory_gib()[1] * 1024)
    warning = f", more than the {free_mib:,} MiB free here" if peak_mib > free_mib else ""
    return (
        f"{len(left)} of {len(estimates)} runs to do, {jobs} at a time: about "
        f"{describe_duration(total_wall_s(estimates, jobs))}, {peak_mib:,} MiB of memory{warning}"
    )
