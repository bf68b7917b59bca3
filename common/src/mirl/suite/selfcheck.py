"""`mirl selfcheck`: is this installation whole? The first task and method of a paper, shortened, from train to film."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mirl.suite import venvs
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.runner import paper_python, train_arguments


class SelfcheckError(RuntimeError):
    """A step that failed, with the program's own last line."""


def check(root: Path, experiments: Experiments, paper: str) -> Iterator[str]:
    """Train, evaluate and film one tiny run in a temporary folder; yields a line a step. Raises SelfcheckError."""
    task = next(iter(experiments.papers[paper].tasks))
    method = experiments.papers[paper].tasks[task].methods[0]
    spec = RunSpec(budget="tiny", paper=paper, task=task, method=method, seed=0)
    python = str(paper_python(root, paper))
    call([python, "-m", paper, "describe"])
    yield f"{paper}: describes itself"
    with tempfile.TemporaryDirectory(prefix="mirl-selfcheck-") as folder:
        place, film = ["--run-dir", f"{folder}/run"], Path(folder) / "film.mp4"
        call([python, "-m", paper, *train_arguments(experiments, spec), *place])
        yield f"{paper}: trained {task} with {method}"
        call([python, "-m", paper, "evaluate", *place, "--episodes", "1", "--video", str(film)])
        if not film.exists():
            raise SelfcheckError("`evaluate --video` wrote no film")
        yield f"{paper}: evaluated and filmed ({film.stat().st_size // 1024} KiB)"


def call(command: Sequence[str]) -> None:
    """Run a program. Raises SelfcheckError where it failed."""
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=venvs.clean_environment()
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise SelfcheckError(f"`{' '.join(command[1:])}` ended with {done.returncode}: {last}")
