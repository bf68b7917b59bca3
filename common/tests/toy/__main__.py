"""python -m toy"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mirl.config import ConfigError
from mirl.measure import measure, peak_memory_mib
from mirl.paper import Paper, main
from toy.config import CONFIGS, DIMENSIONS, configure
from toy.train import TrainState, evaluate, train, update, write_policy


def parameter_counts(task: str, method: str) -> Mapping[str, int]:
    return {"position": configure(task, method, "faithful").dimensions}


def bench(task: str) -> Sequence[Mapping[str, Any]]:
    config = configure(task, "drift", "faithful")
    seconds = measure(lambda: update(TrainState(config.dimensions, 0), config), 0.05)
    return [
        {"name": "end to end", "value": config.steps_per_update / seconds, "unit": "env_steps/s"},
        {"name": "update", "value": 1 / seconds, "unit": "updates/s", "ratio_to_plain": 12.5},
        {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"},
    ]


def original(words: Sequence[str]) -> list[str]:
    """`[walk.py] --env line --logdir DIR --steps N`, as an older program may have had it."""
    ours = {"--env": "--task", "--logdir": "--run-dir", "--steps": "--total-env-steps"}
    words = [word for word in words if not word.endswith("walk.py")]
    for word in words:
        if word.startswith("--") and word not in ours:
            raise ConfigError(f"{word} is no flag of the original (flags: {', '.join(ours)})")
    return ["train", "--method", "random_walk", "--seed", "0", *(ours.get(word, word) for word in words)]


def versions(device: str) -> Mapping[str, Any]:
    return {"numpy": np.__version__, "gpu": None, "threads": 1, "deterministic": True}


PAPER = Paper(
    name="toy",
    project=Path(__file__).parent,
    tasks=tuple(DIMENSIONS),
    methods=tuple(CONFIGS),
    fidelities=("faithful", "fixed"),
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=("training", "moderate"),
    parameter_counts=parameter_counts,
    bench=bench,
    original=original,
    versions=versions,
    outputs=("position.txt",),
    policy=write_policy,
    programs=("walk.py",),
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
