"""Commands about this host and its environments: doctor, setup, selfcheck, bench."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import ConfigError, choose
from mirl.suite import experiments as registry
from mirl.suite.cli.options import PaperOption, Root, TaskOption, console, one_paper, open_experiments
from mirl.suite.selection import choose_paper, choose_papers

app = typer.Typer()


@app.command()
def doctor(root: Root = None) -> None:
    """What this host has, and the command for what it lacks."""
    from mirl.suite import doctor as looking

    raise typer.Exit(looking.main(root.resolve() if root else registry.find_root(Path.cwd())))


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
    names = set(choose_papers(experiments, paper))
    reproducing.set_up_papers(place, names, choose("device", device, venvs.DEVICES) if device else None)


@app.command()
def selfcheck(paper: PaperOption = None, root: Root = None) -> None:
    """Try whether a paper's environment is whole. Trains, evaluates, films a tiny run; default: all that are set up."""
    from mirl.suite import selfcheck as checking

    place, experiments = open_experiments(root)
    ready = [name for name in experiments.papers if (place / "papers" / name / ".venv/.ready").exists()]
    for name in [choose_paper(experiments, paper)] if paper else ready:
        try:
            for line in checking.check(place, experiments, name):
                console.print(line)
        except checking.SelfcheckError as error:
            console.print(f"{name}: {error}", style="red", markup=False)
            raise typer.Exit(1) from None


@app.command()
def soak(
    paper: PaperOption = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="In all.")] = 20.0,
    jobs: Annotated[int, typer.Option(min=1, help="Papers at a time.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the runs, and of the moments of the kills.")] = 0,
    root: Root = None,
) -> None:
    """Kill tiny runs at random moments, continue them, and compare them with ones that were never killed.

    Default: of all papers that are set up. Exit code 1 where rows differ (that run's folder stays), or where none of a
    paper's runs came to its end in this time.
    """
    from mirl.suite import soak as soaking

    place, experiments = open_experiments(root)
    ready = [name for name in experiments.papers if (place / "papers" / name / ".venv/.ready").exists()]
    names = [choose_paper(experiments, paper)] if paper else ready
    if not names:
        raise ConfigError("no paper is set up; run: make setup")
    folder = Path(tempfile.mkdtemp(prefix="mirl-soak-"))
    figures = soaking.soak(place, experiments, names, folder, minutes, jobs, seed)
    console.print(f"{'paper':10}{'kills':>8}{'continued':>12}{'compared':>10}{'rows':>10}{'seconds':>10}")
    for one in figures:
        console.print(
            f"{one.paper:10}{one.kills:8,}{one.continued:12,}{one.compared:10,}{one.rows:10,}{one.seconds:10,.0f}"
        )
    idle = [one.paper for one in figures if not one.compared and not one.fault]
    for sentence in [*(f"{one.paper}: {one.fault}" for one in figures if one.fault),
                     *(f"{name}: no killed run came to its end in this time" for name in idle)]:  # fmt: skip
        console.print(sentence, style="red", markup=False)
    if any(one.fault for one in figures):
        raise typer.Exit(1)
    shutil.rmtree(folder)
    raise typer.Exit(1 if idle else 0)


@app.command()
def bench(
    paper: PaperOption = None,
    task: TaskOption = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    root: Root = None,
) -> None:
    """Speed of a paper here, beside its plain twin."""
    from mirl.suite import runner, venvs

    place, experiments = open_experiments(root)
    name = one_paper(experiments, paper)
    words = ["--task", choose("task", task, experiments.papers[name].tasks)] if task else []
    command = [str(runner.paper_python(place, name)), "-m", name, "bench", *words, *(["--json"] if json else [])]
    raise typer.Exit(subprocess.run(command, env=venvs.clean_environment()).returncode)
