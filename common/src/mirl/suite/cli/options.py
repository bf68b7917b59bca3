"""Options that several of the suite's commands take, and what they mean."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mirl.config import ConfigError
from mirl.folder import refuse_blocked
from mirl.suite import experiments as registry
from mirl.suite.experiments import Experiments
from mirl.suite.selection import choose_paper

if TYPE_CHECKING:
    from mirl.suite.manifests import DamagedRunError
    from mirl.suite.results import Source
    from mirl.suite.selection import RunSpec

console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def filled(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """A name that was given; raises ConfigError for an empty one, which a shell variable that is not set becomes."""
    if value == "":
        raise ConfigError(
            f"{parameter.opts[0] if parameter.param_type_name == 'option' else parameter.metavar} is empty"
        )
    return value


def a_folder(root: Path | None) -> Path | None:
    """A repository that was named; raises ConfigError for one that is no folder."""
    if root is not None and not root.is_dir():
        raise ConfigError(f"--root {root} is not a folder")
    return root


Root = Annotated[
    Path | None,
    typer.Option(help="The repository; default: found upwards from here.", show_default=False, callback=a_folder),
]
PaperOption = Annotated[str | None, typer.Option("--paper", help="Which paper.", show_default=False, callback=filled)]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="Which task; default: all.", show_default=False, callback=filled)
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method", help="Which method, or method@variant; default: all.", show_default=False, callback=filled
    ),
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", help="As 0,1,2; default: the budget's.", show_default=False)
]
BudgetOption = Annotated[str, typer.Option("--budget", help="tiny, workstation or paper.")]
RunnerOption = Annotated[str, typer.Option("--runner", help="venv, or docker for the paper's image.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Runs at a time; default: as cores and GPUs allow.")
]
PublishedPaper = Annotated[str, typer.Argument(metavar="PAPER", help="Which paper.", callback=filled)]
PublishedTask = Annotated[str, typer.Argument(metavar="TASK", help="Which task.", callback=filled)]
PublishedMethod = Annotated[
    str, typer.Argument(metavar="METHOD", help="Which method, or method@variant.", callback=filled)
]
PublishedSeed = Annotated[int | None, typer.Option(min=0, help="Default: the first.", show_default=False)]
PublishedBudget = Annotated[
    str | None, typer.Option(help="Default: paper, where there is one.", show_default=False, callback=filled)
]
EveryPaper = Annotated[bool, typer.Option("--all", help="All papers, instead of --paper.")]
RunsPerGpu = Annotated[
    int, typer.Option("--runs-per-gpu", min=1, max=10, help="Runs that share a GPU of this host at a time.")
]


def open_experiments(root: Path | None) -> tuple[Path, Experiments]:
    place = root.resolve() if root else registry.find_root(Path.cwd())
    return place, registry.load(place / "reproduce.yaml")


def one_paper(experiments: Experiments, paper: str | None, complaint: str = "--paper is needed") -> str:
    """The paper of a command that is about one; raises ConfigError with the complaint where none is named."""
    if not paper:
        raise ConfigError(f"{complaint} (papers: {', '.join(experiments.papers)})")
    return choose_paper(experiments, paper)


def numbers(text: str | None) -> list[int] | None:
    """'0,1,2' -> [0, 1, 2]; raises ConfigError."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise ConfigError(f"--seeds must be whole numbers with commas between, as 0,1,2, got {text!r}")
    return list(dict.fromkeys(int(word) for word in words))


def refuse_no_picture(option: str, path: Path) -> None:
    """Raises ConfigError for a file that cannot hold a picture of curves."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"{option} must end in .png, .svg or .pdf, got {path}")
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder")
    refuse_blocked(option, path)


def name_damages(place: Path, damages: Sequence[DamagedRunError]) -> bool:
    """One line on stderr for each file that is no evidence; whether there is any."""
    for one in damages:
        file = one.file.relative_to(place) if one.file.is_relative_to(place) else one.file
        print(f"mirl: {file} {one.fault}", file=sys.stderr)
    return bool(damages)


def tell_damages(place: Path, papers: Sequence[str], budgets: Sequence[str], source: Source) -> bool:
    """Name every file that is no evidence among what these papers left; whether there is any."""
    from mirl.suite import results

    return name_damages(place, results.damages(place, begun(place, papers, budgets, source), source))


def begun(place: Path, papers: Sequence[str], budgets: Sequence[str], source: Source) -> list[RunSpec]:
    """Every run of these papers and budgets that left a folder."""
    from mirl.suite.results import begun_runs

    return [spec for paper in papers for one in budgets for spec in begun_runs(place, paper, one, source)]
