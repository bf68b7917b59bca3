"""What runs will cost: from finished runs on this host where there are any, else from reproduce.yaml."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mirl.clock import describe_duration
from mirl.suite import gpus, host
from mirl.suite.experiments import Cost, Experiments
from mirl.suite.lines import Line, lined_table
from mirl.suite.manifests import is_finished
from mirl.suite.results import read_state, run_directory
from mirl.suite.selection import RunSpec, registered_fields

DAY_S = 86_400.0
MIB = 2**20


@dataclass(frozen=True)
class Estimate:
    """The expected cost of one run."""

    spec: RunSpec
    env_steps: int
    wall_s: float
    threads: int
    memory_mib: int
    disk_mib: float | None
    """Of its run directory at its end; None where nobody has measured it yet."""
    basis: str
    """Where time and disk come from: runs made here, or the registered cost."""
    finished: bool


@dataclass(frozen=True)
class History:
    """What finished runs of one method, which differ by their seeds, took on this host."""

    wall_s: float
    disk_mib: float
    runs: int


def estimate(root: Path, experiments: Experiments, spec: RunSpec) -> Estimate:
    """Time, memory and disk of one run on this host."""
    return next(estimate_all(root, experiments, [spec]))


def estimate_all(root: Path, experiments: Experiments, specs: Iterable[RunSpec]) -> Iterator[Estimate]:
    """The same of many; what is finished here is read once for all seeds that follow each other."""
    for folder, seeds in groupby(specs, key=lambda spec: run_directory(root, spec).parent):
        here = history(folder)
        yield from (estimate_of(root, experiments, spec, here) for spec in seeds)


def estimate_of(root: Path, experiments: Experiments, spec: RunSpec, here: History | None) -> Estimate:
    """One run, where runs like it took `here`."""
    entry = experiments.papers[spec.paper]
    task = entry.tasks[spec.task]
    cost = task.cost_of(spec.labelled_method, spec.budget)
    env_steps = int(registered_fields(experiments, spec)["total_env_steps"])  # a variant may have its own
    return Estimate(
        spec=spec,
        env_steps=env_steps,
        wall_s=here.wall_s if here else registered_wall_s(cost, env_steps),
        threads=entry.threads,
        memory_mib=cost.memory_mib,
        disk_mib=here.disk_mib if here else cost.disk_mib,
        basis=f"{here.runs} finished here" if here else "registered cost",
        finished=is_finished(run_directory(root, spec)),
    )


def registered_wall_s(cost: Cost, env_steps: int) -> float:
    """Seconds of one run by the cost in reproduce.yaml: two cores of a desktop."""
    return env_steps / cost.env_steps_per_s + cost.fixed_s


def history(folder: Path) -> History | None:
    """Of the seeds in one method's folder; None where none is finished. The medians, of twenty at most."""
    manifests = sorted(folder.glob("seed*/manifest.json"))
    states = {path.parent: read_state(path.parent) for path in manifests[:20]}
    whole = {directory: state.manifest for directory, state in states.items() if state.state == "finished"}
    if not whole:
        return None
    wall_s = statistics.median(float(manifest["wall_s"]) for manifest in whole.values())
    return History(wall_s, statistics.median(map(size_mib, whole)), len(manifests))


def size_mib(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / MIB


def total_wall_s(estimates: Sequence[Estimate], jobs: int) -> float:
    """Seconds until the last of the unfinished runs ends, `jobs` at a time, longest first."""
    lanes = [0.0] * jobs
    for wall_s in sorted((one.wall_s for one in estimates if not one.finished), reverse=True):
        lanes[lanes.index(min(lanes))] += wall_s
    return max(lanes)


def default_jobs(experiments: Experiments, specs: Sequence[RunSpec], runs_a_gpu: int = 1) -> int:
    """As many runs at a time as the cores of this host carry, and its GPUs where it has any."""
    threads = max((experiments.papers[spec.paper].threads for spec in specs), default=1)
    by_cores = max(1, int(host.usable_cores() // threads))
    cards = gpus.count()
    return min(by_cores, cards * runs_a_gpu) if cards else by_cores


def render(estimates: Sequence[Estimate]) -> RenderableType:
    """A line per task and method, with seeds together; then a line a paper, where there are several.

    80 columns hold it."""
    groups: dict[tuple[str, str, str], list[Estimate]] = {}
    for one in estimates:
        groups.setdefault((one.spec.paper, one.spec.task, one.spec.labelled_method), []).append(one)
    lines = []
    for (paper, task, method), group in groups.items():
        first = group[0]
        cells = [
            method, seeds_of(group), f"{first.env_steps:,}", describe_duration(first.wall_s),
            f"{first.memory_mib:,} MiB", describe_disk([first]),
        ]  # fmt: skip
        lines.append(Line(cells, f"time and disk a run: {first.basis}", f"{paper}  {task}"))
    table = lined_table(("method", "seeds", "env steps", "time a run", "memory", "disk"), lines, right=range(2, 6))
    papers = {paper for paper, _, _ in groups}
    return Group(table, Text(), totals(estimates)) if len(papers) > 1 else table


def seeds_of(group: Sequence[Estimate]) -> str:
    """'0, 1 (done), 2'; of many, how many."""
    if len(group) > 20:
        done = sum(one.finished for one in group)
        return f"{len(group)} seeds" + (f" ({done} done)" if done else "")
    return ", ".join(f"{one.spec.seed}{' (done)' if one.finished else ''}" for one in group)


def totals(estimates: Sequence[Estimate]) -> Table:
    """What is left to do of each paper, and of all."""
    table = Table(box=None, pad_edge=False)
    for column in ("paper", "runs to do", "time of all runs", "core hours", "disk"):
        table.add_column(column, justify="left" if column == "paper" else "right")
    papers = dict.fromkeys(one.spec.paper for one in estimates)
    for name in [*papers, "all"]:
        left = [one for one in estimates if not one.finished and name in ("all", one.spec.paper)]
        table.add_row(
            name, f"{len(left):,}", describe_duration(sum(one.wall_s for one in left)), f"{core_hours(left):,.1f}",
            describe_disk(left),
        )  # fmt: skip
    return table


def core_hours(estimates: Iterable[Estimate]) -> float:
    return sum(one.wall_s * one.threads for one in estimates) / 3600


def disk_mib(estimates: Iterable[Estimate]) -> float:
    """Of the runs of which it is known."""
    return sum(one.disk_mib or 0.0 for one in estimates)


def describe_disk(estimates: Sequence[Estimate]) -> str:
    """'1.4 GiB'; where some runs were never measured, 'at least' what the others take."""
    known = [one for one in estimates if one.disk_mib is not None]
    if estimates and not known:
        return "not measured"
    return ("at least " if len(known) < len(estimates) else "") + describe_mib(disk_mib(known))


def describe_mib(mib: float) -> str:
    """'12 MiB', '1.4 GiB'."""
    return f"{mib:,.0f} MiB" if mib < 1024 else f"{mib / 1024:,.1f} GiB"


def summary(root: Path, estimates: Sequence[Estimate], jobs: int, on_this_host: bool = True) -> str:
    """One line: how many runs, how long, what they need, and whether this host has it."""
    left = [one for one in estimates if not one.finished]
    peak_mib = sum(sorted((one.memory_mib for one in left), reverse=True)[:jobs])
    memory, disk = f"{peak_mib:,} MiB of memory", f"disk: {describe_disk(left)}"
    free_memory_mib, free_disk_mib = host.memory_gib()[1] * 1024, free_mib(root)
    if on_this_host and peak_mib > free_memory_mib:
        memory += f", more than the {free_memory_mib:,.0f} MiB free here"
    if disk_mib(left) > free_disk_mib:
        disk += f", more than the {describe_mib(free_disk_mib)} free here"
    return (
        f"{len(left)} of {len(estimates)} runs to do, {jobs} at a time: about "
        f"{describe_duration(total_wall_s(estimates, jobs))}, {core_hours(left):,.1f} core hours, {memory}, {disk}"
    )


def free_mib(root: Path) -> float:
    """Room for results."""
    results = root / "results"
    return shutil.disk_usage(results if results.exists() else root).free / MIB
