"""The command for one more paper: new."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mirl.suite import experiments as registry
from mirl.suite.cli.options import Root, console

app = typer.Typer()


@app.command()
def new(
    context: typer.Context,
    paper: Annotated[
        str, typer.Argument(metavar="PAPER", help="Its name: of the package, of the folder and in reproduce.yaml.")
    ],
    root: Root = None,
) -> None:
    """Write a room for one more paper: a project in papers/PAPER that trains, is tested and judged as it is.

    In it is a small learner, REINFORCE on CartPole, to be replaced part by part; CONTRIBUTING.md says in which order.
    The paper is registered in reproduce.yaml and named wherever papers are. All of it is written, or nothing.
    """
    from mirl.suite import documents, rooms

    place = root.resolve() if root else registry.find_root(Path.cwd())
    written, changed = rooms.write(place, paper)
    documents.write(place, partial(context.find_root().command.main, prog_name="mirl", standalone_mode=False))
    for line in told(paper, written, changed):
        console.print(line, markup=False, soft_wrap=True)


def told(paper: str, written: Sequence[Path], changed: Sequence[Path]) -> list[str]:
    """What was written, what comes next and how to undo it."""
    beside = [str(path) for path in written if not path.is_relative_to(f"papers/{paper}")]
    files = " ".join(map(str, changed))
    return [
        f"papers/{paper}: {len(written) - len(beside)} files; beside it {', '.join(beside)}",
        f"changed: {files}",
        "it works as it is:",
        *(f"    make {target} PAPER={paper}" for target in ("setup", "test", "lint", "regress")),
        "    make check",
        "what to replace, and in which order: CONTRIBUTING.md, Add a paper",
        f"to undo it: git restore {files} && rm -r papers/{paper} {' '.join(beside)}",
    ]
