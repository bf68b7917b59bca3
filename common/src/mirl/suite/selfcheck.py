"""`mirl selfcheck`: is this installation whole? A first task and method, shortened, from train to film and policy."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mirl.exhibits import size_of
from mirl.policy import TOO_LARGE, unpack
from mirl.suite import venvs
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import read_manifest
from mirl.suite.runner import paper_python, train_arguments
from mirl.suite.selection import RunSpec


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
        evaluate = [python, "-m", paper, "evaluate", "--episodes", "1"]
        before = call([*evaluate, *place, "--video", str(film)])
        if not film.exists():
            raise SelfcheckError("`evaluate --video` wrote no film")
        yield f"{paper}: evaluated and filmed ({film.stat().st_size // 1024} KiB)"
        policy, alone = Path(folder) / "policy", Path(folder) / "alone"
        try:
            call([python, "-m", paper, "policy", *place, "--out", str(policy)])
        except SelfcheckError as error:
            if TOO_LARGE not in str(error):
                raise
            yield f"{paper}: publishes no policies, its networks are too large"
            return
        unpack(policy, read_manifest(Path(folder) / "run"), alone)
        if call([*evaluate, "--run-dir", str(alone), "--video", str(film)]) != before:
            raise SelfcheckError("the policy that `policy` writes does not evaluate as its run does")
        yield f"{paper}: kept its policy, which evaluates as the run does ({size_of(policy) // 1024} KiB)"


def call(command: Sequence[str]) -> str:
    """Run a program and return what it printed. Raises SelfcheckError where it failed."""
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=venvs.clean_environment()
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise SelfcheckError(f"`{' '.join(command[1:])}` ended with {done.returncode}: {last}")
    return done.stdout
