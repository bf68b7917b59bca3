"""A run's whole life on the simulated device, through a paper's own command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from mirl.paper import Paper, main
from mirl.run import Run
from simulated_device import Counts, simulated_device


def whole_life(paper: Paper, words: Sequence[str], directory: Path, *judged: str) -> Counts:
    """Train into `directory` with `words`, stopped on the way and continued, and evaluate; what was counted.

    judged: options of `evaluate`, which is asked on the device, and on a host without one.
    """
    words = ["train", *words, "--run-dir", str(directory), "--device", "cuda", "--no-tensorboard"]
    evaluate = ["evaluate", "--run-dir", str(directory), *judged]
    with simulated_device() as counts:
        with stopped_at_its_first_row():
            assert main(paper, words) == 128 + signal.SIGTERM
        saved = json.loads((directory / "checkpoint" / "latest.json").read_text())["env_step"]
        assert main(paper, words) == 0
        assert main(paper, evaluate) == 0
    manifest = json.loads((directory / "manifest.json").read_text())
    assert (manifest["device"], manifest["versions"]["gpu"]) == ("cuda", "simulated device")
    assert (manifest["attempts"], manifest["env_steps"] > saved) == (2, True), "nothing was left to continue with"
    assert counts.launches, "nothing was done on the device"
    assert main(paper, evaluate) == 0
    return counts


@contextmanager
def stopped_at_its_first_row() -> Iterator[None]:
    """A block in which a run is asked to stop, as by SIGTERM, when it writes down what it has learnt."""
    log = Run.log

    def logged(run: Run, env_step: int, metrics: Mapping[str, Any]) -> None:
        log(run, env_step, metrics)
        if env_step:
            run.stop_signal = signal.SIGTERM

    with patch.object(Run, "log", logged):
        yield


def same_on_both(paper: Paper, task: str, method: str, losses: float = 1e-4, learnt: float = 1e-3) -> None:
    """Whether one update on the device, at small sizes, comes to what it comes to on the CPU.

    losses: the largest relative difference; learnt: the largest distance between the gradients of a network's part,
    over their length. What runs here is the same arithmetic; the order of operations differs where a paper has a
    faster path for CPUs.
    """
    assert paper.probe is not None
    here = paper.probe(task, method, "cpu", True)
    expected = {name: float(value) for name, value in here.update().items()}
    wanted = {name: value.detach().clone() for name, value in here.learnt().items()}
    with simulated_device():
        there = paper.probe(task, method, "cuda", True)
        found = {name: float(value) for name, value in there.update().items()}
        given = {name: value.detach().cpu() for name, value in there.learnt().items()}
    assert found == pytest.approx(expected, rel=losses, abs=1e-6)
    assert given.keys() == wanted.keys()
    assert any(bool(value.any()) for value in wanted.values()), "nothing was learnt"
    for name, value in wanted.items():
        assert float((given[name] - value).norm()) <= learnt * float(value.norm()) + 1e-7, name
