"""`mirl reproduce`: set up what is missing, run what is not finished, then compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mirl.config import ConfigError
from mirl.run import read_record
from mirl.suite import engine, plan, venvs
from mirl.suite.driver_lock import driver_lock
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.runner import registered_fields
from mirl.suite.status import Watcher


def reproduce(
    root: Path,
    experiments: Experiments,
    specs: Sequence[RunSpec],
    console: Console,
    jobs: int | None = None,
    retries: int = 0,
) -> bool:
    """Bring every SPEC to its end; True where all are finished. Raises ConfigError before anything is started."""
    left = unfinished(root, specs)
    for spec in specs:
        refuse_other_budget(root, experiments, spec)
    if not left:
        console.print(f"nothing to do: {len(specs)} of {len(specs)} runs are finished")
        return True
    set_up_papers(root, {spec.paper for spec in left})
    jobs = jobs or plan.default_jobs(experiments, left)
    announce(root, experiments, specs, jobs, console)
    with driver_lock(root / "results/runs") as dead_lock_cleared:
        watcher = Watcher(root, left, console)
        with watcher:
            engine.run_all(root, experiments, left, jobs, retries, dead_lock_cleared, watcher.refresh)
    failed = unfinished(root, specs)
    if failed:
        console.print(f"{len(failed)} of {len(specs)} runs are not finished; the same command continues them")
    return not failed


def unfinished(root: Path, specs: Sequence[RunSpec]) -> list[RunSpec]:
    return [spec for spec in specs if not (root / "results/runs" / str(spec) / "manifest.json").exists()]


def set_up_papers(root: Path, papers: set[str]) -> None:
    """Make the environments that are missing or of an older lock."""
    device = venvs.detect_device()
    for paper in sorted(papers):
        try:
            venvs.set_up(root / "papers" / paper, device)
        except venvs.SetupError as error:
            raise ConfigError(f"setting up papers/{paper}: {error}") from None


def refuse_other_budget(root: Path, experiments: Experiments, spec: RunSpec) -> None:
    """A run that was started under another registration is neither continued nor counted."""
    directory = root / "results/runs" / str(spec)
    record = read_record(directory)
    for field, value in registered_fields(experiments, spec).items() if record else ():
        before = record["config"].get(field)  # type: ignore[index]
        wanted = list(value) if isinstance(value, tuple) else value
        if before != wanted:
            raise ConfigError(
                f"{directory} was started with {field}={before}, reproduce.yaml now says {wanted}; "
                "move that folder away to run it anew"
            )


def announce(root: Path, experiments: Experiments, specs: Sequence[RunSpec], jobs: int, console: Console) -> None:
    """Say what will be done; where it is more than a day, show the whole plan and the way to a smaller budget."""
    estimates = [plan.estimate(root, experiments, spec) for spec in specs]
    if plan.total_wall_s(estimates, jobs) > plan.DAY_S:
        console.print(plan.render(estimates))
        first = specs[0]
        smaller = "workstation" if first.budget == "paper" else "tiny"
        console.print(
            f"This is more than a day here. A smaller budget: mirl reproduce --paper {first.paper} "
            f"--task {first.task} --budget {smaller}"
        )
    console.print(plan.summary(estimates, jobs))
