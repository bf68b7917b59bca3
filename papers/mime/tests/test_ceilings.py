"""The ceilings in results/reference/mime.csv, recomputed by walking straight to every test goal."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import plain
import pytest

from mime import envs
from mime.config import paper_settings
from mime.envs.dog import BOWL_RADIUS, CELLS_PER_UNIT, START

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


def shortest_way(goal: np.ndarray) -> list[np.ndarray]:
    """Moves of 0.1 along a shortest way of the dog's robot from its start into the bowl around a goal."""
    start = tuple(round(CELLS_PER_UNIT * place) for place in START[::-1])
    steps = plain.dog.steps_from(*start)
    rows, columns = np.nonzero(steps >= 0)
    inside = np.hypot(columns / CELLS_PER_UNIT - goal[0], rows / CELLS_PER_UNIT - goal[1]) < BOWL_RADIUS
    cell = min(zip(rows[inside], columns[inside], strict=True), key=lambda place: steps[place])
    moves: list[np.ndarray] = []
    while cell != start:
        before = next(
            (cell[0] + up, cell[1] + right)
            for up in (-1, 0, 1)
            for right in (-1, 0, 1)
            if steps[cell[0] + up, cell[1] + right] == steps[cell] - 1
        )
        moves.insert(0, 0.1 * np.array([cell[1] - before[1], cell[0] - before[0]]))
        cell = before
    return moves


def test_the_dogs_robot_reaches_the_recorded_ceiling_on_shortest_ways():
    environment = envs.make("DogNavigation2D-v0", seed=0)
    returns = []
    for task in environment.unwrapped.sample_test_tasks(2):
        environment.unwrapped.reset_task(task)
        environment.reset()
        moves = shortest_way(task["goal"])
        played = [environment.step(move) for move in [*moves, *[np.zeros(2)] * (1000 - len(moves))]]
        assert not any(observation[2] for observation, *_ in played)
        returns.append(sum(reward for _, reward, _, _ in played))
    assert returns == [1000 - 71 + 1, 1000 - 69 + 1]
    assert np.mean(returns) == pytest.approx(recorded_ceilings()["dog"], abs=2.0)
