"""Commands about this host and its environments: doctor, setup, selfcheck, bench."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import choose
from mirl.suite import experiments as registry
from mirl.suite.cli.options import PaperOption, Root, TaskOption, console, one_paper, open_experiments

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
    names = set(registry.choose_papers(experiments, paper))
    reproducing.set_up_papers(place, names, choose("device", device, venvs.DEVICES) if device else None)


@app.command()
def selfcheck(paper: PaperOption = None, root: Root = None) -> None:
    """Try whether a paper's environment is whole. Trains, evaluates, films a tiny run; default: all that are set up."""
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
