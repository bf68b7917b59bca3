"""Commands that judge and show what was run: list, compare, simulate, publish, plot, report, check, reference."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import ConfigError
from mirl.film import Film
from mirl.suite import experiments as registry
from mirl.suite.cli.comparing import dump
from mirl.suite.cli.options import (
    BudgetOption,
    MethodOption,
    PaperOption,
    Root,
    SeedsOption,
    TaskOption,
    console,
    name_damages,
    numbers,
    one_paper,
    open_experiments,
)
from mirl.suite.experiments import Experiments
from mirl.suite.results import Source
from mirl.suite.selection import RunSpec, choose_budget, choose_paper, choose_papers, select

app = typer.Typer()
references = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What papers report: results/reference.")
app.add_typer(references, name="reference")


@app.command("list")
def list_experiments(
    paper: PaperOption = None,
    published: Annotated[bool, typer.Option("--published", help="Our value from results/published.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table of README.md.")] = False,
    power: Annotated[
        bool, typer.Option("--power", help="What each verdict and claim could come to, before anything is run.")
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Those as well that were not run, of all papers.")] = False,
    root: Root = None,
) -> None:
    """What was run: reference, ours, verdict, cost here. With --paper or --all every registered experiment."""
    from mirl.suite import listing

    place, experiments = open_experiments(root)
    names = choose_papers(experiments, paper)
    if power:
        if published or markdown:
            raise ConfigError("--power tells what can be answered before anything is run; it takes no other option")
        show_power(place, experiments, names)
        return
    source: Source = "published" if published else "runs"
    listed = list(listing.entries(place, experiments, names, source))
    if markdown:
        sys.stdout.write(listing.markdown(listed) + "\n")
    else:
        console.print(listing.render(listed, show_all or bool(paper)))
    raise typer.Exit(1 if tell_damages(place, names, listing.BUDGETS, source) else 0)


def tell_damages(place: Path, papers: Sequence[str], budgets: Sequence[str], source: Source) -> bool:
    """Name every file that is no evidence among what these papers left; whether there is any."""
    from mirl.suite import results

    return name_damages(place, results.damages(place, begun(place, papers, budgets, source), source))


def begun(place: Path, papers: Sequence[str], budgets: Sequence[str], source: Source) -> list[RunSpec]:
    """Every run of these papers and budgets that left a folder."""
    from mirl.suite.results import begun_runs

    return [spec for paper in papers for one in budgets for spec in begun_runs(place, paper, one, source)]


def show_power(place: Path, experiments: Experiments, papers: Sequence[str]) -> None:
    """`mirl list --power`."""
    from mirl.verdict import power, power_tables

    rows = list(power.rows(place, experiments, papers))
    console.print(power_tables.render(rows, power.claims(experiments, papers)))
    console.print(power_tables.summary(rows))


@app.command()
def findings(
    paper: PaperOption = None,
    task: Annotated[
        str | None, typer.Option(help="Every seed of this task instead; needs --paper.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="With --task: the last value of another metric.", show_default=False)
    ] = None,
    budget: Annotated[str, typer.Option(help="With --task: workstation or paper.")] = "paper",
    root: Root = None,
) -> None:
    """What was found so far, as the documents' tables: a line a paper, the claims and results of one, or its seeds."""
    from mirl.suite import findings as finding

    place, experiments = open_experiments(root)
    if task:
        (spec, *_) = select(experiments, budget, one_paper(experiments, paper), task)
        found = finding.of_task(place, experiments, spec.paper, spec.task, spec.budget, metric)
    elif metric or budget != "paper":
        raise ConfigError(f"--{'metric' if metric else 'budget'} is about one task; --task names it")
    elif paper:
        found = finding.of_paper(place, experiments, choose_paper(experiments, paper))
    else:
        found = finding.overview(place, experiments)
    sys.stdout.write(found + "\n")


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
def compare(
    paper: PaperOption = None,
    task: TaskOption = None,
    budget: BudgetOption = "paper",
    published: Annotated[
        bool, typer.Option("--published", help="Judge results/published instead of our runs.")
    ] = False,
    authors: Annotated[
        bool,
        typer.Option("--authors", help="Judge the seeds that the authors released, recompute what they state."),
    ] = False,
    own: Annotated[
        Path | None,
        typer.Option("--with", help="Judge your own runs of a task: a folder with a CSV a seed.", show_default=False),
    ] = None,
    columns: Annotated[
        str, typer.Option(help="With --with: the names of its two columns, as STEPS,VALUES; default: ours.")
    ] = "",
    env_steps_per_step: Annotated[
        int, typer.Option(min=1, help="With --with: environment steps that one of its steps stands for.")
    ] = 1,
    setting: Annotated[str, typer.Option(help="With --with: which test condition; default: the task's first.")] = "",
    picture: Annotated[
        Path | None, typer.Option(help="With --with: a .png, .svg or .pdf of all curves.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    root: Root = None,
) -> None:
    """Verdicts of what was run; writes verdict.json. With --with verdicts of your own runs; writes nothing."""
    from mirl.suite import reproduce as reproducing
    from mirl.suite.cli import comparing
    from mirl.verdict import comparison, tables

    place, experiments = open_experiments(root)
    if own is None and (columns or setting or picture or env_steps_per_step != 1):
        raise ConfigError(
            "--columns, --env-steps-per-step, --setting and --picture describe your own runs: --with FOLDER"
        )
    if own is not None:
        if authors or published:
            raise ConfigError("--with judges your own runs; it takes neither --published nor --authors")
        name = one_paper(experiments, paper, "--with needs --paper and --task")
        comparing.compare_own(
            place, experiments, name, task, budget, own, columns, env_steps_per_step, setting, picture, json
        )
        return
    if authors:
        comparing.compare_authors(place, experiments, paper, task, budget, published, json)
        return
    names = choose_papers(experiments, paper)
    source: Source = "published" if published else "runs"
    for name in names:
        specs = select(experiments, budget, name, task)
        if specs[0].budget == "tiny":
            reproducing.judge_bands(place, experiments, specs, console)
            continue
        built = comparison.build(place, experiments, name, specs[0].budget, source)
        if not published:
            comparison.write(place, built)
        if json:
            sys.stdout.write(built.model_dump_json(indent=2) + "\n")
        else:
            console.print(tables.render(built, specs[0].task if task else None))
    raise typer.Exit(1 if tell_damages(place, names, [choose_budget(budget)], source) else 0)


@app.command()
def simulate(
    repetitions: Annotated[int, typer.Option(min=100, help="Experiments for each truth.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Error rates and coverage where the truth is known. Exit code 1 where a promise is broken."""
    from mirl.verdict import coverage, findings, simulation

    rates = simulation.run_all(repetitions, seed)
    covered = list(coverage.run_all(2 * repetitions, seed))
    if json:
        judged = [{**asdict(one), "error": one.error, "keeps_level": one.keeps_level} for one in rates]
        sys.stdout.write(dump({"verdicts": judged, "coverage": [asdict(one) for one in covered]}))
    else:
        sizes = [(n, m, *simulation.welch_size(n, m)) for n, m in ((5, 2), (5, 3), (5, 4), (5, 5), (5, 10), (10, 10))]
        console.print(findings.render_rates(rates, sizes, covered))
    raise typer.Exit(1 if simulation.exceeding(rates) or coverage.exceeding(covered) else 0)


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
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="Which paper.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="Which task.")],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Which method, or method@variant.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the first.", show_default=False)] = None,
    budget: Annotated[str | None, typer.Option(help="Default: paper, where there is one.", show_default=False)] = None,
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
    from mirl.suite import policies

    if publish and out:
        raise ConfigError("--publish keeps the film beside the published run; it takes no --out")
    if out:
        Film(out)  # refuses other kinds of files
    place, experiments = open_experiments(root)
    (wanted, *_) = select(experiments, budget or "paper", paper, task, method)
    spec = policies.choose_policy(
        place, wanted.paper, wanted.task, wanted.labelled_method, wanted.budget if budget else None, seed
    )
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
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out must end in .png, .svg or .pdf, got {out}")
    specs = select(experiments, budget, paper, task, method)
    curves, damages = plotting.curves(place, specs, metric, "published" if published else "runs")
    damaged = name_damages(place, damages)
    if curves:
        title = f"{specs[0].paper}, {specs[0].task}: budget {specs[0].budget}, running mean over {smooth}"
        plotting.draw(curves, title, metric, smooth, out)
        console.print(f"{out} shows {', '.join(curves)}")
    raise typer.Exit(1 if damaged else 0)


@app.command()
def report(
    paper: PaperOption = None,
    budget: Annotated[
        str | None, typer.Option(help="One only; default: paper, and the others that were begun.", show_default=False)
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
    source: Source = "runs" if runs else "published"
    first = reporting.write_report(place, experiments, papers, source, chosen, target)
    console.print(f"open {os.path.relpath(first)} in a browser", soft_wrap=True)
    budgets = [chosen] if chosen else registry.BUDGETS
    damaged = tell_damages(place, papers, budgets, source)
    films = not runs and name_damages(place, exhibits.film_damages(place, begun(place, papers, budgets, source)))
    raise typer.Exit(1 if damaged or films else 0)


@app.command()
def check(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="results, a folder in it, or one run directory.")],
    root: Root = None,
) -> None:
    """Validate run directories and tables. Of the whole `results` reproduce.yaml, too; exit code 1 on errors."""
    from mirl.suite import check as checking

    place, experiments = open_experiments(root)
    if not results.exists():
        raise ConfigError(f"RESULTS {results} is not there")
    tree = checking.load(results)
    if results.resolve() == place / "results":
        tree.papers.extend(checking.ask(place, paper) for paper in experiments.papers)
    findings = checking.run_checks(tree, experiments)
    console.print(checking.render(findings, tree.census))
    raise typer.Exit(1 if checking.failed(findings) else 0)


@references.command("add")
def add_reference(
    task: Annotated[str, typer.Option(help="Which task.")],
    method: Annotated[str, typer.Option(help="Which method; any for a ceiling or a floor; of context any name.")],
    value: Annotated[float, typer.Option(help="The number, in the metric's unit.")],
    provenance: Annotated[str, typer.Option(help="paper_table, paper_figure, author_data, computed or measured.")],
    source: Annotated[str, typer.Option(help="Table, figure, file or computation, so that a reader finds it again.")],
    paper: PaperOption = None,
    setting: Annotated[str, typer.Option(help="Test condition; default: the task's first.")] = "",
    metric: Annotated[str, typer.Option(help="A name in metrics.csv; default: the setting's registered one.")] = "",
    unit: Annotated[str, typer.Option(help="Default: the registered metric's.")] = "",
    spread: Annotated[float | None, typer.Option(help="In the same unit; of ci95 half the width.")] = None,
    spread_kind: Annotated[str, typer.Option(help="What the spread is: sd, sem or ci95.")] = "",
    reported_seeds: Annotated[int | None, typer.Option(help="How many seeds the number is of.")] = None,
    env_steps: Annotated[int | None, typer.Option(help="When it holds; default: at the paper's budget.")] = None,
    role: Annotated[str, typer.Option(help="result, ceiling, floor or context (shown, judges nothing).")] = "result",
    note: Annotated[str, typer.Option(help="What else a reader has to know.")] = "",
    questioned: Annotated[str, typer.Option(help="A fact for which it can carry no pass, in a sentence.")] = "",
    root: Root = None,
) -> None:
    """Add a number that a paper reports; `mirl compare` uses it from then on."""
    from mirl.suite import reference

    place, experiments = open_experiments(root)
    name = one_paper(experiments, paper)
    cells = {
        "task": task, "method": method, "setting": setting, "metric": metric, "env_steps": env_steps, "value": value,
        "spread": spread, "spread_kind": spread_kind, "n": reported_seeds, "unit": unit, "role": role,
        "provenance": provenance, "source": source.strip(), "note": note.strip(), "questioned": questioned.strip(),
    }  # fmt: skip
    path, row = reference.add(place, name, experiments.papers[name], cells)
    console.print(f"{path.relative_to(place)}: {reference.line_of(row).strip()}", markup=False, soft_wrap=True)
    console.print(reference.use_of(row, experiments.papers[name].tasks[row.task]), markup=False)
