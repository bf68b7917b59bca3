"""The ceilings in results/reference/mime.csv, recomputed by walking straight to every test goal."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mime import envs
from mime.config import paper_settings

REFERENCE = Path(__file__).parents[3] / "results/reference/mime.csv"


def straight_walk(environment, goal: np.ndarray) -> float:
    """Return of one episode that steps towards the goal as fast as the clipped actions allow."""
    environment.unwrapped.reset_task({"goal": goal})
    position, done, total = environment.reset(), False, 0.0
    while not done:
        position, reward, done, _ = environment.step((goal - position).clip(-0.1, 0.1))
        total += reward
    return total


def recorded_ceilings() -> dict[str, float]:
    with REFERENCE.open(newline="") as stream:
        return {row["task"]: float(row["value"]) for row in csv.DictReader(stream) if row["role"] == "ceiling"}


@pytest.mark.parametrize("task", ["wide_ring", "hard_exploration", "close_ring"])
def test_a_straight_walk_to_every_test_goal_reaches_the_recorded_ceiling(task: str):
    settings = paper_settings(task)
    environment = envs.make(settings["env-name"], seed=0, **settings["env-kwargs"])
    goals = [one["goal"] for one in environment.unwrapped.sample_test_tasks(10)]
    returns = [straight_walk(environment, goal) for goal in goals]
    assert np.mean(returns) == pytest.approx(recorded_ceilings()[task], abs=1.0)
