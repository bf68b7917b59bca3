"""Commands that plan, start and watch runs: plan, reproduce, status, regress, repeat, run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live

from mirl.config import ConfigError, choose
from mirl.folder import refuse_blocked
from mirl.suite import experiments as registry
from mirl.suite.cli.options import (
    BudgetOption,
    EveryPaper,
    JobsOption,
    MethodOption,
    PaperOption,
    PublishedBudget,
    PublishedMethod,
    PublishedPaper,
    PublishedSeed,
    PublishedTask,
    Root,
    RunnerOption,
    RunsPerGpu,
    SeedsOption,
    TaskOption,
    console,
    filled,
    name_damages,
    numbers,
    open_experiments,
)
from mirl.suite.experiments import Experiments
from mirl.suite.selection import RunSpec, choose_paper, choose_papers, select

app = typer.Typer()


@app.command()
def plan(
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    seeds: SeedsOption = None,
    budget: BudgetOption = "paper",
    jobs: JobsOption = None,
    root: Root = None,
) -> None:
    """The runs, and the time and memory they take here."""
    from mirl.suite import plan as planning

    place, experiments = open_experiments(root)
    specs = select(experiments, budget, paper, task, method, numbers(seeds))
    lanes = jobs or planning.default_jobs(experiments, specs)
    estimates = list(planning.estimate_all(place, experiments, specs))
    console.print(planning.render(estimates))
    console.print(planning.summary(place, estimates, lanes))
    if specs[0].budget == "paper":
        say_what_it_can_answer(place, experiments, specs)


def say_what_it_can_answer(place: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> None:
    """The chance of each verdict, of one task in a table and of more in a sentence."""
    from mirl.verdict import power, power_tables

    planned = {(spec.paper, spec.task, spec.labelled_method) for spec in specs}
    papers = list(dict.fromkeys(spec.paper for spec in specs))
    rows = [row for row in power.rows(place, experiments, papers) if (row.paper, row.task, row.method) in planned]
    if rows and len({(row.paper, row.task) for row in rows}) == 1:
        console.print(power_tables.render(rows, []))
    console.print(power_tables.summary(rows))


@app.command()
def reproduce(
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    seeds: SeedsOption = None,
    budget: BudgetOption = "paper",
    every_paper: EveryPaper = False,
    executor: Annotated[
        str, typer.Option(help="local, slurm, or one that cluster.yaml names.", show_default=True)
    ] = "local",
    jobs: JobsOption = None,
    runs_per_gpu: RunsPerGpu = 1,
    retries: Annotated[
        int | None, typer.Option(min=0, help="How often a failed run is tried again; default: 0, or cluster.yaml's.")
    ] = None,
    retry_wait_s: Annotated[
        float, typer.Option("--retry-wait-s", min=0, help="Seconds before the first retry; doubles with each.")
    ] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be started; start nothing.")] = False,
    runner: RunnerOption = "venv",
    root: Root = None,
) -> None:
    """Run what is not finished, then compare. The same command again continues."""
    from mirl.suite import containers
    from mirl.suite import reproduce as reproducing
    from mirl.suite.executors import Choices

    place, experiments = open_experiments(root)
    if every_paper and paper:
        raise ConfigError(f"--all and --paper {paper} exclude each other")
    if not paper and not every_paper:
        raise ConfigError(f"--paper or --all is needed (papers: {', '.join(experiments.papers)})")
    specs = select(experiments, budget, paper, task, method, numbers(seeds))
    where = choose("runner", runner, containers.RUNNERS)
    choices = Choices(executor, jobs, retries, retry_wait_s, runs_per_gpu, dry_run, where)
    if dry_run:
        reproducing.dry_run(place, experiments, specs, console, choices)
        return
    complete = reproducing.reproduce(place, experiments, specs, console, choices)
    reproducing.judge(place, experiments, specs, console)
    raise typer.Exit(0 if complete else 1)


@app.command()
def status(
    paper: PaperOption = None,
    budget: Annotated[
        str | None, typer.Option(help="tiny, workstation or paper; default: all.", callback=filled)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show every run, however many there are.")] = False,
    root: Root = None,
) -> None:
    """The runs that were begun: progress, speed, time left."""
    from mirl.suite import status as showing

    place, experiments = open_experiments(root)
    wanted_paper = choose_paper(experiments, paper) if paper else None
    wanted_budget = choose("budget", budget, registry.BUDGETS) if budget else None

    def look() -> RenderableType:
        begun = showing.begun(place, wanted_budget, wanted_paper)
        return showing.overview(place, begun, show_all) if begun else "nothing was begun yet"

    if not watch:
        console.print(look())
        begun = showing.begun(place, wanted_budget, wanted_paper)
        raise typer.Exit(1 if name_damages(place, showing.damages(place, begun)) else 0)
    with Live(look(), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(look(), refresh=True)


@app.command()
def regress(
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    update: Annotated[bool, typer.Option("--update", help="Record new bands and first values; needs --why.")] = False,
    why: Annotated[str, typer.Option(help="What changed on purpose.", show_default=False)] = "",
    seeds: Annotated[str, typer.Option(help="With --update: the seeds to record.")] = "0,1,2,3,4,5,6,7",
    jobs: JobsOption = None,
    root: Root = None,
) -> None:
    """Tiny runs against what was recorded; exit code 1 outside."""
    from mirl.suite import reproduce as reproducing
    from mirl.suite.executors import Choices

    place, experiments = open_experiments(root)
    if update and not why.strip():
        raise ConfigError("--update needs --why with the reason; it is recorded beside each value")
    good = True
    for name in choose_papers(experiments, paper):
        specs = select(experiments, "tiny", name, task, method, numbers(seeds) if update else None)
        good &= reproducing.reproduce(place, experiments, specs, console, Choices(jobs=jobs))
        if update and good:
            reproducing.update_bands(place, experiments, name, specs, why, console)
        good &= reproducing.judge(place, experiments, specs, console)
    raise typer.Exit(0 if good else 1)


@app.command()
def repeat(
    paper: PublishedPaper,
    task: PublishedTask,
    method: PublishedMethod,
    seed: PublishedSeed = None,
    budget: PublishedBudget = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run directory; default: results/runs/repeated/SPEC.", show_default=False),
    ] = None,
    root: Root = None,
) -> None:
    """Make a published run again and compare every row; exit code 1 where it differs."""
    from mirl.suite import repeat as repeating
    from mirl.suite.manifests import DamagedRunError
    from mirl.suite.results import choose_published, published_directory, published_runs

    place, experiments = open_experiments(root)
    (wanted, *_) = select(experiments, budget or "paper", paper, task, method)
    runs = published_runs(place, wanted.paper)
    spec = choose_published(runs, "run", wanted, wanted.budget if budget else None, seed)
    directory = out or place / "results/runs/repeated" / str(spec)
    refuse_blocked("--out", directory)
    try:
        code = repeating.run_again(place, experiments, spec, directory)
        if code == 2:  # the paper has said what cannot be done, and it cannot be done the next time either
            raise typer.Exit(code)
        if code:
            print("mirl: the repetition did not come to its end; the same command continues it", file=sys.stderr)
            raise typer.Exit(code)
        found = repeating.compare(published_directory(place, spec), directory)
    except DamagedRunError as one:
        name_damages(place, [one])
        raise typer.Exit(1) from None
    for line in repeating.describe(spec, found):
        console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found.agrees else 1)


@app.command()
def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="<budget>/<run id>")],
    runs_per_gpu: RunsPerGpu = 1,
    wait_s: Annotated[float, typer.Option("--wait-s", min=0, help="Seconds to wait first.")] = 0.0,
    patience_s: Annotated[
        float, typer.Option("--patience-s", min=0, help="Seconds to wait for another process that writes this run.")
    ] = 120.0,
    parent: Annotated[
        int | None, typer.Option(help="Stop when this process, which started it, has ended.", show_default=False)
    ] = None,
    runner: RunnerOption = "venv",
    in_slurm_job: Annotated[
        bool, typer.Option("--in-slurm-job", help="Slurm started it, hands out GPUs and signals every process.")
    ] = False,
    root: Root = None,
) -> None:
    """Run one SPEC to its end: what the engine calls."""
    from mirl.suite import containers
    from mirl.suite import runner as running

    place, experiments = open_experiments(root)
    parsed = RunSpec.parse(spec)
    select(experiments, parsed.budget, parsed.paper, parsed.task, parsed.labelled_method, [parsed.seed])
    where = choose("runner", runner, containers.RUNNERS)
    raise typer.Exit(
        running.run(place, experiments, parsed, runs_per_gpu, wait_s, patience_s, parent, where, in_slurm_job)
    )
