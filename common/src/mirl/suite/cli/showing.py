"""Commands that show what was found and keep it: findings, documents, publish, watch, plot, report."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import ConfigError
from mirl.folder import refuse_blocked
from mirl.suite import experiments as registry
from mirl.suite.cli.options import (
    BudgetOption,
    MethodOption,
    PaperOption,
    PublishedBudget,
    PublishedMethod,
    PublishedPaper,
    PublishedSeed,
    PublishedTask,
    Root,
    SeedsOption,
    TaskOption,
    begun,
    console,
    filled,
    name_damages,
    numbers,
    one_paper,
    open_experiments,
    refuse_no_picture,
    tell_damages,
)
from mirl.suite.results import Source
from mirl.suite.selection import choose_budget, choose_papers, select

app = typer.Typer()


@app.command()
def findings(
    paper: PaperOption = None,
    task: Annotated[
        str | None,
        typer.Option(help="Every seed of this task instead; needs --paper.", show_default=False, callback=filled),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="With --task: the last value of another metric.", show_default=False, callback=filled),
    ] = None,
    budget: Annotated[str, typer.Option(help="With --task: workstation or paper.")] = "paper",
    root: Root = None,
) -> None:
    """What was found so far, as the documents' tables: a line a paper, the claims and results of one, or its seeds."""
    from mirl.suite import findings as finding
    from mirl.suite.results import damages

    place, experiments = open_experiments(root)
    papers = choose_papers(experiments, paper)
    shown = begun(place, papers, registry.BUDGETS, "published")
    if task:
        (spec, *_) = select(experiments, budget, one_paper(experiments, paper), task)
        found = finding.of_task(place, experiments, spec.paper, spec.task, spec.budget, metric)
        shown = [one for one in shown if (one.budget, one.task) == (spec.budget, spec.task)]
    elif metric or budget != "paper":
        raise ConfigError(f"--{'metric' if metric else 'budget'} is about one task; --task names it")
    elif paper:
        found = finding.of_paper(place, experiments, papers[0])
    else:
        found = finding.overview(place, experiments)
    sys.stdout.write(found + "\n")
    raise typer.Exit(1 if name_damages(place, damages(place, shown, "published")) else 0)


@app.command()
def documents(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 where a table is old.")] = False,
    root: Root = None,
) -> None:
    """Renew the tables in README.md, docs and the papers' READMEs that a command makes."""
    from mirl.suite import documents as renewing

    place, _ = open_experiments(root)
    mirl = partial(context.find_root().command.main, prog_name="mirl", standalone_mode=False)
    old = [path for path, _ in renewing.changed(place, mirl)] if check else renewing.write(place, mirl)
    for path in old:
        console.print(f"{path.relative_to(place)} {'is old: mirl documents renews it' if check else 'renewed'}")
    raise typer.Exit(1 if check and old else 0)


@app.command()
def publish(
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    seeds: SeedsOption = None,
    budget: BudgetOption = "paper",
    root: Root = None,
) -> None:
    """Copy finished runs, made small, their policies and a film of each method into results/published."""
    from mirl.suite import publish as publishing

    place, experiments = open_experiments(root)
    specs = select(experiments, budget, paper, task, method, numbers(seeds))
    for spec, folder in zip(specs, publishing.publish(place, experiments, specs), strict=True):
        kept = publishing.keep_exhibits(place, experiments, spec)
        console.print(f"{folder.relative_to(place)}  {kept}", markup=False, soft_wrap=True)


@app.command()
def watch(
    paper: PublishedPaper,
    task: PublishedTask,
    method: PublishedMethod,
    seed: PublishedSeed = None,
    budget: PublishedBudget = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of the test beside the film.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="An .mp4 or .webm file; default: named by the run.", show_default=False)
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Keep the film beside the published run, for the report.")
    ] = False,
    root: Root = None,
) -> None:
    """Test the policy of a published run and film it."""
    from mirl.film import Film
    from mirl.suite import policies
    from mirl.suite.results import choose_published

    if publish and out:
        raise ConfigError("--publish keeps the film beside the published run; it takes no --out")
    if out:
        Film(out)  # refuses other kinds of files
        refuse_blocked("--out", out)
    place, experiments = open_experiments(root)
    (wanted, *_) = select(experiments, budget or "paper", paper, task, method)
    runs = policies.published_policies(place, wanted.paper)
    spec = choose_published(runs, "policy", wanted, wanted.budget if budget else None, seed)
    if publish:
        kept = policies.publish_film(place, spec, ["--episodes", str(episodes)])
        console.print(f"{spec}: {kept.words}", markup=False, soft_wrap=True)
        raise typer.Exit(0 if kept.renewed else 1)
    film = out or Path(f"{spec.paper}-{spec.task}-{spec.labelled_method}-seed{spec.seed}.mp4")
    code = policies.watch(place, spec, film, ["--episodes", str(episodes)])
    if code == 0:
        console.print(f"{film} shows {spec}", markup=False, soft_wrap=True)
    raise typer.Exit(code)


@app.command()
def plot(
    out: Annotated[Path, typer.Option(help="A .png, .svg or .pdf file.")],
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    metric: Annotated[str, typer.Option(help="A name in metrics.csv.")] = "train/return",
    smooth: Annotated[int, typer.Option(min=1, help="Recorded values in the running mean.")] = 5,
    budget: BudgetOption = "paper",
    published: Annotated[bool, typer.Option("--published", help="Draw results/published instead of our runs.")] = False,
    root: Root = None,
) -> None:
    """Learning curves of one task, with all seeds."""
    from mirl.suite import plot as plotting

    place, experiments = open_experiments(root)
    if not paper or not task:
        raise ConfigError("--paper and --task are needed: a plot shows one task")
    refuse_no_picture("--out", out)
    specs = select(experiments, budget, paper, task, method)
    curves, damages = plotting.curves(place, specs, metric, "published" if published else "runs")
    damaged = name_damages(place, damages)
    if curves:
        title = f"{specs[0].paper}, {specs[0].task}: budget {specs[0].budget}"
        title += f", running mean over {smooth}" if smooth > 1 else ""
        plotting.draw(curves, title, metric, smooth, out)
        console.print(f"{out} shows {', '.join(curves)}")
    raise typer.Exit(1 if damaged else 0)


@app.command()
def report(
    paper: PaperOption = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="One only; default: paper, and the others that were begun.", show_default=False, callback=filled
        ),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Report our runs instead of results/published.")] = False,
    out: Annotated[Path | None, typer.Option(help="Its folder; default: results/report.", show_default=False)] = None,
    root: Root = None,
) -> None:
    """A site of all results, for a browser. It needs no server and asks nothing from outside."""
    from mirl.suite import exhibits
    from mirl.suite import report as reporting

    place, experiments = open_experiments(root)
    papers = choose_papers(experiments, paper)
    chosen = choose_budget(budget) if budget else None
    target = out or place / reporting.PLACE
    refuse_blocked("--out", target)
    source: Source = "runs" if runs else "published"
    first = reporting.write_report(place, experiments, papers, source, chosen, target)
    console.print(f"open {os.path.relpath(first)} in a browser", soft_wrap=True)
    budgets = [chosen] if chosen else registry.BUDGETS
    damaged = tell_damages(place, papers, budgets, source)
    films = not runs and name_damages(place, exhibits.film_damages(place, begun(place, papers, budgets, source)))
    raise typer.Exit(1 if damaged or films else 0)
