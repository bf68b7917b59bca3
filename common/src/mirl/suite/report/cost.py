"""What the finished runs cost, and what those that were not run would."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mirl.suite import plan
from mirl.suite.experiments import Budget
from mirl.suite.report.collect import PaperReport, RunFacts


@dataclass(frozen=True)
class Cost:
    """Finished runs of one task, method, budget and machine."""

    task: str
    method: str
    budget: Budget
    runs: int
    env_steps: int
    """Of one run; the median."""
    wall_s: Sequence[float]
    """Of each run."""
    env_steps_per_s: float
    """Training and evaluation together; the median."""
    hardware: str
    software: str

    @property
    def median_wall_s(self) -> float:
        return statistics.median(self.wall_s)


def costs(report: PaperReport) -> list[Cost]:
    """One row a task, budget, method and machine."""
    groups: dict[tuple[str, Budget, str, str, str], list[RunFacts]] = {}
    for task in report.tasks:
        for run in task.finished:
            if run.env_steps_per_s is not None:
                key = (task.name, task.budget, run.spec.labelled_method, hardware(run), software(run))
                groups.setdefault(key, []).append(run)
    return [cost(*key, runs) for key, runs in groups.items()]


def cost(task: str, budget: Budget, method: str, machine: str, versions: str, runs: Sequence[RunFacts]) -> Cost:
    return Cost(
        task=task,
        method=method,
        budget=budget,
        runs=len(runs),
        env_steps=round(statistics.median(run.fact("env_steps", 0) for run in runs)),
        wall_s=[run.fact("wall_s") for run in runs],
        env_steps_per_s=statistics.median(run.env_steps_per_s or 0.0 for run in runs),
        hardware=machine,
        software=versions,
    )


def hardware(run: RunFacts) -> str:
    """'Intel(R) Xeon(R) Processor @ 2.50GHz, 2 cores, 1 thread used', or the GPU that was used."""
    versions = run.fact("versions") or {}
    gpu = versions.get("gpu") if run.fact("device") == "cuda" else None
    threads = versions.get("threads")
    parts = [
        str(gpu) if gpu else "",
        run.fact("cpu") or "a processor without a name",
        counted(run.fact("cpu_count"), "core"),
        f"{counted(threads, 'thread')} used" if threads else "",
    ]
    return ", ".join(filter(None, parts))


def software(run: RunFacts) -> str:
    """'Python 3.11.7, torch 2.13.0+cpu, venv'; the framework is whatever carries a version."""
    versions = run.fact("versions") or {}
    frameworks = [f"{name} {version}" for name, version in versions.items() if is_version(name, version)]
    image = str(run.fact("image") or "")
    return ", ".join(filter(None, [f"Python {run.fact('python', 'unknown')}", *frameworks, image]))


def is_version(name: str, version: object) -> bool:
    return name not in ("gpu", "cuda") and isinstance(version, str) and version[:1].isdigit()


def counted(number: int | None, noun: str) -> str:
    """'one core', '2 cores'; '' where the number is not known."""
    if not number:
        return ""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def total_wall_s(runs: Iterable[RunFacts]) -> float:
    return float(sum(run.fact("wall_s") or 0.0 for run in runs if run.finished))


def seconds_left(report: PaperReport) -> dict[str, float]:
    """Task -> what its methods without a finished run would take, all registered seeds, by the registered cost."""
    left: dict[str, float] = {}
    for task, rows in report.not_run.items():
        registered = report.entry.tasks[task]
        for method in dict.fromkeys(row.method for row in rows if row.method in registered.methods):
            budget = registered.of(method).budgets[report.main.budget]
            wall_s = plan.registered_wall_s(registered.cost_of(method, report.main.budget), budget.env_steps)
            left[task] = left.get(task, 0.0) + len(budget.seeds) * wall_s
    return left
