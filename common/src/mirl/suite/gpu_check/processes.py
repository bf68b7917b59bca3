"""Programs of a paper that a check starts on the card, or beside it on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirl.attempt_log import last_words
from mirl.folder import says_finished
from mirl.suite import venvs
from mirl.suite.gpu_check import StepError
from mirl.suite.runner import paper_python

PATIENCE_S = 900.0
"""Seconds that one program may take."""
LOSSES, GRADIENTS = 1e-3, 1e-2
"""What may lie between card and CPU: float32 without TF32, sums in another order. Chosen before any card was seen."""


@dataclass(frozen=True)
class Starter:
    """How a paper's program is started."""

    root: Path
    stand_in: Path | None
    """A program that stands in for the card, between Python and `-m`; None: there is one."""
    env: Mapping[str, str]

    def command(self, paper: str, words: Sequence[str], on_card: bool) -> list[str]:
        between = [str(self.stand_in)] if self.stand_in and on_card else []
        return [str(paper_python(self.root, paper)), *between, "-m", paper, *words]

    def start(self, paper: str, words: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The program on the card, in a process group of its own."""
        return subprocess.Popen(
            self.command(paper, words, on_card=True), env={**self.environment, **(env or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0,
        )  # fmt: skip

    def finish(self, paper: str, words: Sequence[str], on_card: bool = True) -> str:
        """What the program prints; raises StepError where it fails."""
        done = subprocess.run(
            self.command(paper, words, on_card), env=self.environment, capture_output=True, text=True,
            timeout=PATIENCE_S,
        )  # fmt: skip
        if done.returncode:
            raise StepError(last_line(done.stderr) or f"{paper} {words[0]} ended with {done.returncode}")
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        return {**venvs.clean_environment(), **self.env}


def last_line(text: str) -> str:
    """The last line that says something, shortened."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("simulated device:")]
    return lines[-1][:200] if lines else ""


def compared_update(starter: Starter, paper: str, task: str, method: str, folder: Path, small: bool) -> dict[str, Any]:
    """One update on the CPU and one on the card: the largest differences, time, launches and memory.

    Raises StepError where losses differ by more than LOSSES of their size, or a part's gradients by more than GRADIENTS
    of their length.
    """
    facts, learnt = {}, {}
    for device in ("cpu", "cuda"):
        out = folder / f"{paper}-{method}-{device}.npz"
        words = ["probe", "--task", task, "--method", method, "--device", device, "--out", str(out)]
        starter.finish(paper, [*words, *(["--small"] if small else [])], on_card=device == "cuda")
        with np.load(out) as stored:
            facts[device] = json.loads(str(stored["facts"]))
            learnt[device] = {name: stored[name] for name in stored.files if name != "facts"}
    loss = max(apart(facts["cuda"]["losses"][name], value) for name, value in facts["cpu"]["losses"].items())
    distances = {name: distance(learnt["cuda"][name], value) for name, value in learnt["cpu"].items()}
    worst = max(distances, key=lambda name: distances[name])
    if not loss <= LOSSES:
        raise StepError(f"a loss differs by {loss:.2g} of its size, more than {LOSSES:g}")
    if not distances[worst] <= GRADIENTS:
        raise StepError(f"the gradient of {worst} differs by {distances[worst]:.2g}, more than {GRADIENTS:g}")
    cost = {name: value for name, value in facts["cuda"]["cost"].items() if value is not None}
    return {"loss_difference": loss, "gradient_difference": distances[worst], **cost,
            "cpu_update_s": facts["cpu"]["cost"]["update_s"]}  # fmt: skip


def apart(found: float, expected: float) -> float:
    return abs(found - expected) / max(abs(expected), 1e-6)


def distance(found: Any, expected: Any) -> float:
    """Of two arrays, over the length of the second; shorter ones than 1e-6 count as that long."""
    return float(np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-6))


def killed_and_continued(starter: Starter, paper: str, words: Sequence[str], directory: Path) -> dict[str, Any]:
    """Train, stop after the first checkpoint, continue to the end; raises StepError."""
    words = [*words, "--run-dir", str(directory), "--device", "cuda", "--no-tensorboard", "--save-every", "1"]
    stopped = starter.start(paper, words)
    latest, deadline = directory / "checkpoint/latest.json", time.monotonic() + PATIENCE_S
    while not latest.exists() and stopped.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if stopped.poll() is None:
        os.killpg(stopped.pid, signal.SIGTERM)
    _, said = stopped.communicate(timeout=PATIENCE_S)
    if stopped.returncode not in (0, 128 + signal.SIGTERM):
        raise StepError(last_line(said) or last_words(directory))
    was_stopped = not says_finished(directory)
    starter.finish(paper, words)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    if manifest["device"] != "cuda":
        raise StepError(f"it trained on {manifest['device']}")
    return {"stopped_on_its_way": was_stopped, "env_steps": manifest["env_steps"], "train_s": manifest["wall_s"]}


def two_at_once(
    starter: Starter, paper: str, words: Sequence[str], folder: Path, envs: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Two runs on one card at a time; raises StepError."""
    began = time.monotonic()
    options = ["--device", "cuda", "--no-tensorboard"]
    places = [folder / f"run{k}" for k in range(len(envs))]
    started = [
        starter.start(paper, [*words, "--run-dir", str(place), *options], env)
        for place, env in zip(places, envs, strict=True)
    ]
    for place, trainer in zip(places, started, strict=True):
        _, said = trainer.communicate(timeout=PATIENCE_S)
        if trainer.returncode:
            raise StepError(last_line(said) or last_words(place))
    return {"both_s": round(time.monotonic() - began, 1)}
