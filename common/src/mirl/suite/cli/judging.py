"""Commands that judge what was run: list, compare, simulate, check, reference."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import ConfigError
from mirl.suite.cli.comparing import dump
from mirl.suite.cli.options import (
    BudgetOption,
    PaperOption,
    Root,
    TaskOption,
    console,
    one_paper,
    open_experiments,
    tell_damages,
)
from mirl.suite.experiments import Experiments
from mirl.suite.results import Source
from mirl.suite.selection import choose_budget, choose_papers, select

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


def show_power(place: Path, experiments: Experiments, papers: Sequence[str]) -> None:
    """`mirl list --power`."""
    from mirl.verdict import power, power_tables

    rows = list(power.rows(place, experiments, papers))
    console.print(power_tables.render(rows, power.claims(experiments, papers)))
    console.print(power_tables.summary(rows))


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
        int, typer.Option(min=1, max=10**6, help="With --with: environment steps that one of its steps stands for.")
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
