"""That it learns: on the toy world, through image, depth and touch, from random actions to twice their return."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import toy_envs

from mirl.run import Header, open_run
from mummi.config import Config, configure
from mummi.play import Played
from mummi.train import train
from mummi.worlds import Worlds, options_of

EPISODE, RANDOM_EPISODES, UPDATES_AN_EPISODE, UPDATES = 64, 20, 20, 3000
LEARNING: dict[str, Any] = {
    "time_limit": EPISODE, "prefill": RANDOM_EPISODES * EPISODE, "natural": False,
    "total_env_steps": (RANDOM_EPISODES + UPDATES // UPDATES_AN_EPISODE) * EPISODE,
    "train_every": EPISODE, "train_steps": UPDATES_AN_EPISODE, "pretrain": UPDATES_AN_EPISODE,
    "log_every": 10 * EPISODE, "eval_every": 50 * EPISODE, "log_images": False,
    "batch_size": 10, "batch_length": 10, "deter_size": 48, "stoch_size": 8, "num_units": 64, "cnn_depth": 4,
    "embed_size": 64, "horizon": 10, "model_lr": 2e-3, "value_lr": 5e-4, "actor_lr": 5e-4,
}  # fmt: skip


@contextmanager
def toy_worlds(task: str, seed: int, config: Config) -> Iterator[Worlds]:
    options = options_of(config)
    worlds = Worlds(toy_envs(seed, options), toy_envs(seed + 1, options), {"source": "toys"})
    try:
        yield worlds
    finally:
        worlds.close()


def no_test(*_: Any) -> dict[str, list[Played]]:
    return {"ratio_0": [Played({}, 0.0, EPISODE // 2)]}


@pytest.mark.slow
def test_mummi_learns_the_toy_in_three_thousand_updates(tmp_path: Path):
    config = replace(configure("walker_walk", "mummi", "faithful"), **LEARNING)
    run = open_run(tmp_path, Header("mummi", "walker_walk", "mummi", 0, "faithful", "cpu"), config, sinks=())
    assert run is not None
    with run:
        train(run, config, toy_worlds, no_test)
        run.end("finished")
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        rows = [(row["name"], float(row["value"])) for row in csv.DictReader(stream)]
    returns = [value for name, value in rows if name == "train/return"]
    assert max(value for name, value in rows if name == "train/updates") <= UPDATES
    at_random, learnt = np.mean(returns[:RANDOM_EPISODES]), np.mean(returns[-20:])
    print(f"return of random actions {at_random:.1f}, of the last 20 episodes {learnt:.1f}")
    assert at_random > 0
    assert learnt > 2 * at_random
