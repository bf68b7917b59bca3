"""What acting at random earns: the floors of results/reference/mummi.csv, measured again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mummi.envs import TASKS
from mummi.envs.simulator import Simulator
from mummi.envs.wrappers import ActionRepeat, NormalizeActions
from mummi.streams import stream

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "mummi.csv"
EPISODES, AGENT_STEPS = 32, 500


def returns_at_random(task: str) -> list[float]:
    """Of uniformly random actions, each held for two control steps; nothing is drawn."""
    env = NormalizeActions(ActionRepeat(Simulator(task), 2))
    env.seed(0)
    returns = []
    for episode in range(EPISODES):
        env.reset()
        draw = stream(0, "floor", episode)
        returns.append(sum(env.step(draw.uniform(-1, 1, env.action_space.shape))[1] for _ in range(AGENT_STEPS)))
    env.close()
    return returns


@pytest.mark.parametrize(
    "task", [task if task == "walker_stand" else pytest.param(task, marks=pytest.mark.slow) for task in TASKS]
)
def test_the_floors_are_what_random_actions_earn(task: str):
    with REFERENCE.open() as table:
        rows = [row for row in csv.DictReader(table) if row["task"] == task and row["role"] == "floor"]
    (row,) = rows
    returns = returns_at_random(task)
    assert (row["metric"], int(row["n"])) == ("eval/return", EPISODES)
    assert float(row["value"]) == pytest.approx(np.mean(returns), rel=1e-3, abs=5e-3)
    assert float(row["spread"]) == pytest.approx(np.std(returns, ddof=1), rel=1e-2, abs=5e-3)
