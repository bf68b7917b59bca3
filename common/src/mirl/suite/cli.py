"""The suite's command line: list, plan, reproduce, status, compare, regress, report, check, simulate and others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from mirl.config import ConfigError, choose
from mirl.files import describe_os_error
from mirl.suite import experiments as registry
from mirl.suite.experiments import Experiments, RunSpec

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
references = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What papers report: results/reference.")
app.add_typer(references, name="reference")
console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)

Root = Annotated[
    Path | None, typer.Option(help="The repository; default: found upwards from here.", show_default=False)
]
PaperOption = Annotated[str | None, typer.Option("--paper", help="Which paper.", show_default=False)]
TaskOption = Annotated[str | None, typer.Option("--task", help="Which task; default: all.", show_default=False)]
MethodOption = Annotated[
    str | None, typer.Option("--method", help="Which method, or method@variant; default: all.", show_default=False)
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", help="As 0,1,2; default: the budget's.", show_default=False)
]
BudgetOption = Annotated[str, typer.Option("--budget", help="tiny, workstation or paper.")]
RunnerOption = Annotated[str, typer.Option("--runner", help="venv, or docker for the paper's image.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Runs at a time; default: as cores and GPUs allow.")
]
EveryPaper = Annotated[bool, typer.Option("--all", help="All papers, instead of --paper.")]
RunsPerGpu = Annotated[
    int, typer.Option("--runs-per-gpu", min=1, max=10, help="Runs that share a GPU of this host at a time.")
]


def open_experiments(root: Path | None) -> tuple[Path, Experiments]:
    place = root.resolve() if root else registry.find_root(Path.cwd())
    return place, registry.load(place / "reproduce.yaml")


def numbers(text: str | None) -> list[int] | None:
    """'0,1,2' -> [0, 1, 2]; raises ConfigError."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise ConfigError(f"--seeds must be whole numbers with commas between, as 0,1,2, got {text!r}")
    return list(dict.fromkeys(int(word) for word in words))


@app.command("list")
def list_experiments(
    paper: PaperOption = None,
    published: Annotated[bool, typer.Option("--published", help="Our value from results/published.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table of README.md.")] = False,
    root: Root = None,
) -> None:
    """Every experiment: reference, ours, verdict, cost here."""
    from mirl.suite import listing

    place, experiments = open_experiments(root)
    names = [registry.choose_paper(experiments, paper)] if paper else list(experiments.papers)
    listed = list(listing.entries(place, experiments, names, "published" if published else "runs"))
    if markdown:
        sys.stdout.write(listing.markdown(listed) + "\n")
    else:
        console.print(listing.render(listed))


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
    specs = registry.select(experiments, budget, paper, task, method, numbers(seeds))
    lanes = jobs or planning.default_jobs(experiments, specs)
    estimates = list(planning.estimate_all(place, experiments, specs))
    console.print(planning.render(estimates))
    console.print(planning.summary(place, estimates, lanes))


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
    specs = registry.select(experiments, budget, paper, task, method, numbers(seeds))
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
    budget: Annotated[str | None, typer.Option(help="tiny, workstation or paper; default: all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show every run, however many there are.")] = False,
    root: Root = None,
) -> None:
    """The runs that were begun: progress, speed, time left."""
    from mirl.suite import status as showing

    place, experiments = open_experiments(root)
    wanted_paper = registry.choose_paper(experiments, paper) if paper else None
    wanted_budget = choose("budget", budget, registry.BUDGETS) if budget else None

    def look() -> RenderableType:
        begun = showing.begun(place, wanted_budget, wanted_paper)
        return showing.overview(place, begun, show_all) if begun else "nothing was begun yet"

    if not watch:
        console.print(look())
        return
    with Live(look(), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(look(), refresh=True)


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
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    root: Root = None,
) -> None:
    """Verdicts of what was run; writes verdict.json."""
    from mirl.suite import reproduce as reproducing
    from mirl.verdict import comparison, tables

    place, experiments = open_experiments(root)
    if authors:
        compare_authors(place, experiments, paper, task, budget, published, json)
        return
    for name in [registry.choose_paper(experiments, paper)] if paper else experiments.papers:
        specs = registry.select(experiments, budget, name, task)
        if specs[0].budget == "tiny":
            reproducing.judge_bands(place, experiments, specs, console)
            continue
        built = comparison.build(place, experiments, name, specs[0].budget, "published" if published else "runs")
        if not published:
            comparison.write(place, built)
        if json:
            sys.stdout.write(built.model_dump_json(indent=2) + "\n")
        else:
            console.print(tables.render(built, specs[0].task if task else None))


def compare_authors(
    place: Path, experiments: Experiments, paper: str | None, task: str | None, budget: str, published: bool, json: bool
) -> None:
    """`mirl compare --authors`: a paper's own seeds under our rules, and its stated numbers recomputed."""
    from mirl.verdict import comparison, findings, reported, tables

    if published or registry.choose_budget(budget) != "paper":
        raise ConfigError("--authors judges the paper's own runs, so it takes neither --published nor another --budget")
    if not paper:
        raise ConfigError(f"--authors needs --paper (papers: {', '.join(experiments.papers)})")
    name = registry.choose_paper(experiments, paper)
    only = choose("task", task, experiments.papers[name].tasks, f" in paper {name}") if task else None
    found = [one for one in reported.recompute_all(place, name) if only in (None, one.task)]
    built = comparison.build(place, experiments, name, "paper", "authors")
    if not built.rows and not found:
        raise ConfigError(f"nothing is recorded of {name}: no results/reference/{name}-seeds.csv or {name}-stated.csv")
    if json:
        sys.stdout.write(dump({"comparison": built.model_dump(mode="json"), "stated": [vars(one) for one in found]}))
        return
    if built.rows:
        console.print(tables.render(built, only))
        console.print()
    console.print(findings.render_stated(found))


@app.command()
def simulate(
    repetitions: Annotated[int, typer.Option(min=100, help="Experiments for each truth.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Error rates of the verdicts where the truth is known; exit code 1 where a promise is broken."""
    from mirl.verdict import findings, simulation

    rates = simulation.run_all(repetitions, seed)
    if json:
        sys.stdout.write(dump([{**asdict(one), "error": one.error, "keeps_level": one.keeps_level} for one in rates]))
    else:
        sizes = [(n, m, *simulation.welch_size(n, m)) for n, m in ((5, 2), (5, 3), (5, 4), (5, 5), (5, 10), (10, 10))]
        console.print(findings.render_rates(rates, sizes))
    raise typer.Exit(1 if simulation.exceeding(rates) else 0)


@references.command("add")
def add_reference(
    task: Annotated[str, typer.Option(help="Which task.")],
    method: Annotated[str, typer.Option(help="Which method, or any for a ceiling or a floor.")],
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
    role: Annotated[str, typer.Option(help="result, ceiling or floor.")] = "result",
    note: Annotated[str, typer.Option(help="What else a reader has to know.")] = "",
    root: Root = None,
) -> None:
    """Add a number that a paper reports; `mirl compare` uses it from then on."""
    from mirl.suite import reference

    place, experiments = open_experiments(root)
    if not paper:
        raise ConfigError(f"--paper is needed (papers: {', '.join(experiments.papers)})")
    name = registry.choose_paper(experiments, paper)
    cells = {
        "task": task, "method": method, "setting": setting, "metric": metric, "env_steps": env_steps, "value": value,
        "spread": spread, "spread_kind": spread_kind, "n": reported_seeds, "unit": unit, "role": role,
        "provenance": provenance, "source": source.strip(), "note": note.strip(),
    }  # fmt: skip
    path, row = reference.add(place, name, experiments.papers[name], cells)
    console.print(f"{path.relative_to(place)}: {reference.line_of(row).strip()}", markup=False, soft_wrap=True)
    console.print(reference.use_of(row, experiments.papers[name].tasks[row.task]), markup=False)


def dump(content: object) -> str:
    return dumps(content, indent=2, default=str) + "\n"


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
    for name in [registry.choose_paper(experiments, paper)] if paper else experiments.papers:
        specs = registry.select(experiments, "tiny", name, task, method, numbers(seeds) if update else None)
        good &= reproducing.reproduce(place, experiments, specs, console, Choices(jobs=jobs))
        if update and good:
            reproducing.update_bands(place, experiments, name, specs, why, console)
        good &= reproducing.judge(place, experiments, specs, console)
    raise typer.Exit(0 if good else 1)


@app.command()
def publish(
    paper: PaperOption = None,
    task: TaskOption = None,
    method: MethodOption = None,
    seeds: SeedsOption = None,
    budget: BudgetOption = "paper",
    root: Root = None,
) -> None:
    """Copy finished runs, made small, into results/published."""
    from mirl.suite import publish as publishing

    place, experiments = open_experiments(root)
    specs = registry.select(experiments, budget, paper, task, method, numbers(seeds))
    for folder in publishing.publish(place, experiments, specs):
        console.print(str(folder.relative_to(place)))


@app.command()
def plot(
    out: Annotated[Path, typer.Option(help="A .png, .svg or .pdf file.")],
    paper: PaperOption = None,
    task: TaskOption = None,
    metric: Annotated[str, typer.Option(help="A name in metrics.csv.")] = "train/return",
    smooth: Annotated[int, typer.Option(min=1, help="Recorded values in the running mean.")] = 5,
    budget: BudgetOption = "paper",
    published: Annotated[bool, typer.Option("--published", help="Draw results/published instead of our runs.")] = False,
    root: Root = None,
) -> None:
    """Learning curves of one task, all methods and seeds."""
    from mirl.suite import plot as plotting

    place, experiments = open_experiments(root)
    if not paper or not task:
        raise ConfigError("--paper and --task are needed: a plot shows one task")
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out must end in .png, .svg or .pdf, got {out}")
    specs = registry.select(experiments, budget, paper, task)
    curves = plotting.curves(place, specs, metric, "published" if published else "runs")
    title = f"{specs[0].paper}, {specs[0].task}: budget {specs[0].budget}, running mean over {smooth}"
    plotting.draw(curves, title, metric, smooth, out)
    console.print(f"{out} shows {', '.join(curves)}")


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
    """A site of all results, for a browser: no server, nothing from outside."""
    from mirl.suite import report as reporting

    place, experiments = open_experiments(root)
    papers = [registry.choose_paper(experiments, paper)] if paper else list(experiments.papers)
    chosen = registry.choose_budget(budget) if budget else None
    target = out or place / reporting.PLACE
    first = reporting.write_report(place, experiments, papers, "runs" if runs else "published", chosen, target)
    console.print(f"open {os.path.relpath(first)} in a browser", soft_wrap=True)


@app.command()
def check(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="results, a folder in it, or one run directory.")],
    root: Root = None,
) -> None:
    """Validate run directories, tables and, of the whole `results`, reproduce.yaml; exit code 1 on errors."""
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


@app.command()
def doctor(root: Root = None) -> None:
    """What this host has, and the command for what it lacks."""
    from mirl.suite import doctor as looking

    place, _ = open_experiments(root)
    findings = looking.examine(place)
    console.print(looking.render(findings))
    raise typer.Exit(0 if looking.healthy(findings) else 1)


@app.command()
def setup(
    paper: PaperOption = None,
    device: Annotated[str | None, typer.Option(help="cpu or gpu; default: what is there.", show_default=False)] = None,
    root: Root = None,
) -> None:
    """Make the virtual environments of papers from their locks."""
    from mirl.suite import reproduce as reproducing
    from mirl.suite import venvs

    place, experiments = open_experiments(root)
    names = {registry.choose_paper(experiments, paper)} if paper else set(experiments.papers)
    reproducing.set_up_papers(place, names, choose("device", device, venvs.DEVICES) if device else None)


@app.command()
def selfcheck(paper: PaperOption = None, root: Root = None) -> None:
    """Is a paper's environment whole? Trains, evaluates and films one tiny run; default: all that are set up."""
    from mirl.suite import selfcheck as checking

    place, experiments = open_experiments(root)
    ready = [name for name in experiments.papers if (place / "papers" / name / ".venv/.ready").exists()]
    for name in [registry.choose_paper(experiments, paper)] if paper else ready:
        try:
            for line in checking.check(place, experiments, name):
                console.print(line)
        except checking.SelfcheckError as error:
            console.print(f"{name}: {error}", style="red", markup=False)
            raise typer.Exit(1) from None


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
    root: Root = None,
) -> None:
    """Run one SPEC to its end: what the engine calls."""
    from mirl.suite import containers
    from mirl.suite import runner as running

    place, experiments = open_experiments(root)
    parsed = RunSpec.parse(spec)
    registry.select(experiments, parsed.budget, parsed.paper, parsed.task, parsed.labelled_method, [parsed.seed])
    where = choose("runner", runner, containers.RUNNERS)
    raise typer.Exit(running.run(place, experiments, parsed, runs_per_gpu, wait_s, patience_s, parent, where))


@app.command()
def bench(
    paper: PaperOption = None,
    task: TaskOption = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    root: Root = None,
) -> None:
    """Speed of a paper here, beside its plain twin."""
    from mirl.suite import runner

    place, experiments = open_experiments(root)
    if not paper:
        raise ConfigError(f"--paper is needed (papers: {', '.join(experiments.papers)})")
    name = registry.choose_paper(experiments, paper)
    words = ["--task", choose("task", task, experiments.papers[name].tasks)] if task else []
    command = [str(runner.paper_python(place, name)), "-m", name, "bench", *words, *(["--json"] if json else [])]
    raise typer.Exit(subprocess.run(command).returncode)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 something did not finish or does not hold, 2 bad input."""
    raise SystemExit(guarded(lambda: typer.main.get_command(app).main(prog_name="mirl", standalone_mode=False)))


def guarded(command: Callable[[], object]) -> int:
    """Run `command`; whatever a user can cause ends in one line on stderr."""
    try:
        code = command()
        return code if isinstance(code, int) else 0
    except ConfigError as error:
        message, code = str(error), 2
    except OSError as error:
        message, code = describe_os_error(error), 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own complaints about the command line
            raise
        message, code = " ".join(error.format_message().split()), 2
    print(f"mirl: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
