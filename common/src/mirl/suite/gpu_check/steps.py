"""The steps of a check, in the order in which they tell most."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from mirl.config import ConfigError
from mirl.suite import gpus
from mirl.suite.experiments import Experiments
from mirl.suite.gpu_check import NotRunError, Step, StepError
from mirl.suite.gpu_check.processes import Starter, compared_update, killed_and_continued, last_line, two_at_once
from mirl.suite.runner import train_arguments
from mirl.suite.selection import RunSpec, select

WITHOUT_PROBE = ("mummi",)
"""Papers whose framework is not PyTorch: their updates are not compared here, and nothing stands in for a card."""
TASKS = {"sami": "halfcheetah", "mime": "wide_ring", "mi_asym": "heaven_hell"}
"""Where the first task is not the quickest."""
SHORTER = {"amigo": 8000, "mime": 8000, "mi_asym": 150, "sami": 2000, "mummi": 0}
"""Environment steps of a run where a program stands in for the card; its times mean nothing."""
DRAWING = """
import os; os.environ['MUJOCO_GL'] = 'egl'
from mirl.drawing import drawing_library, renderer; drawing_library()
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light pos="0 0 3"/><geom size="1"/></worldbody></mujoco>')
data = mujoco.MjData(model); mujoco.mj_forward(model, data)
drawn = mujoco.Renderer(model, 64, 64); drawn.update_scene(data); picture = drawn.render()
assert picture.std() > 0, 'the picture is empty'
print(renderer())
"""


def steps_for(
    root: Path, experiments: Experiments, papers: Sequence[str], starter: Starter, folder: Path
) -> list[Step]:
    """Every step; `folder` holds what they write."""
    small = starter.stand_in is not None
    return [
        *(one for paper in papers if paper not in WITHOUT_PROBE
          for one in updates(experiments, paper, starter, folder, small)),
        *(run_step(experiments, paper, starter, folder, small) for paper in papers),
        *(two_step(experiments, paper, starter, folder, small) for paper in papers[:1]),
        *(Step(f"{paper} draws", "EGL on this card", partial(drawing, starter, paper))
          for paper in papers if (root / "papers" / paper / "apt.txt").exists()),
        *(Step(f"mirl/{paper}:gpu", "its image, on this card", partial(image, paper)) for paper in papers),
    ]  # fmt: skip


def updates(experiments: Experiments, paper: str, starter: Starter, folder: Path, small: bool) -> Iterator[Step]:
    """An update of every method."""
    task = task_of(experiments, paper)
    methods = dict.fromkeys(spec.method for spec in select(experiments, "paper", paper, task))
    for method in methods:
        yield Step(
            f"{paper} {method}", "one update, CPU against card",
            partial(compared_update, starter, paper, task, method, folder, small),
        )  # fmt: skip


def run_step(experiments: Experiments, paper: str, starter: Starter, folder: Path, small: bool) -> Step:
    def do() -> dict[str, Any]:
        if small and paper in WITHOUT_PROBE:
            raise NotRunError("nothing stands in for a card of TensorFlow")
        words = words_of(experiments, paper, 0, small)
        directory = folder / f"{paper}-run"
        shutil.rmtree(directory, ignore_errors=True)
        return killed_and_continued(starter, paper, words, directory)

    return Step(f"{paper} run", "tiny run, stopped and continued", do)


def two_step(experiments: Experiments, paper: str, starter: Starter, folder: Path, small: bool) -> Step:
    def do() -> dict[str, Any]:
        if small and paper in WITHOUT_PROBE:
            raise NotRunError("nothing stands in for a card of TensorFlow")
        place = folder / f"{paper}-two"
        shutil.rmtree(place, ignore_errors=True)
        with ExitStack() as stack:
            shares = [stack.enter_context(gpus.taken(2, "gpu-check")) for _ in range(2)]
            return two_at_once(
                starter, paper, words_of(experiments, paper, 1, small), place, [share.environment for share in shares]
            )

    return Step(f"{paper} twice", "two runs on one card (RUNS_PER_GPU=2)", do)


def task_of(experiments: Experiments, paper: str) -> str:
    return TASKS.get(paper, next(iter(experiments.papers[paper].tasks)))


def words_of(experiments: Experiments, paper: str, seed: int, small: bool) -> list[str]:
    """`train ...` of the first method of the tiny budget."""
    spec: RunSpec = select(experiments, "tiny", paper, task_of(experiments, paper), seeds=[seed])[0]
    words = train_arguments(experiments, spec)
    return [*words, "--total-env-steps", str(SHORTER[paper])] if small else words


def drawing(starter: Starter, paper: str) -> dict[str, Any]:
    """A picture by EGL; raises NotRunError where this host draws by OSMesa alone."""
    command = [starter.command(paper, [], on_card=False)[0], "-c", DRAWING]
    done = subprocess.run(command, env=starter.environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        reason = last_line(done.stderr)
        raise (NotRunError if starter.stand_in or "EGL" in reason else StepError)(reason)
    return {"renderer": done.stdout.strip()}


def image(paper: str) -> dict[str, Any]:
    """The gpu image's own view of the card; raises NotRunError without docker or the image."""
    if not shutil.which("docker"):
        raise NotRunError("docker is not here")
    name = f"mirl/{paper}:gpu"
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode:
        raise NotRunError(f"{name} was not built; make image PAPER={paper} DEVICE=gpu")
    method = json.loads(inside(name, "describe", "--json"))["methods"][0]
    words = ["train", "--help"] if paper in WITHOUT_PROBE else ["probe", "--method", method, "--small"]
    inside(name, *words, *([] if paper in WITHOUT_PROBE else ["--device", "cuda"]))
    return {"image": name}


def inside(name: str, *words: str) -> str:
    done = subprocess.run(
        ["docker", "run", "--rm", "--gpus", "all", name, *words], capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise StepError(last_line(done.stderr) or f"docker ended with {done.returncode}")
    return done.stdout


def card_name(starter: Starter, papers: Sequence[str]) -> str:
    """What PyTorch calls the card; raises ConfigError where it sees none."""
    paper = next((paper for paper in papers if paper not in WITHOUT_PROBE), None)
    if starter.stand_in:
        return "simulated device"
    seen = gpus.visible()
    if not seen:
        raise ConfigError("gpu-check needs a visible GPU, and nvidia-smi shows none; make doctor says what is missing")
    if paper is not None:
        code = "import torch; raise SystemExit(not torch.cuda.is_available())"
        python = starter.command(paper, [], on_card=False)[0]
        if subprocess.run([python, "-c", code], env=starter.environment, capture_output=True).returncode:
            raise ConfigError(f"PyTorch of {paper} sees no GPU; run: make setup PAPER={paper} DEVICE=gpu")
    return seen[0].model
