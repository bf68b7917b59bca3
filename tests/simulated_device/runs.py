"""A run's whole life on the simulated device, through a paper's own command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

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
