"""The dog-feeding robot: navigation through a house with walls, in the API of gym 0.17. Source: card 4.2."""

from __future__ import annotations

from typing import Any

import numpy as np
from gym import spaces

from mime.envs.base import MetaEnvironment, Task
from mime.envs.dog_map import admits
from mime.envs.navigation import MAX_MOVE

START = (1.3, 2.0)
"""Length units."""
EXTENT = 10.0
"""Length units; width and height of the house."""
CELLS_PER_UNIT = 10.0
BOWL_RADIUS = 0.5
"""Length units; a distance to the goal strictly below it is rewarded."""
TRAIN_GOALS = ((2.0, 9.0), (5.3, 4.0), (8.5, 1.3))
TEST_GOALS = ((2.0, 9.0), (8.5, 1.3))


class DogNavigation2D(MetaEnvironment):
    """A robot that starts in one room and is paid for each step that ends within 0.5 of a hidden goal in another.

    Observation: x, y and whether the last move was stopped by a wall, float32 (3,); the position itself is float64.
    Action: a move, (2,), clipped to 0.1 per axis, which is made whole or not at all. Never ends by itself. A task is
    {"goal": (2,) float64}. `low` and `high` stand in the paper's settings and mean nothing here.
    """

    def __init__(self, low: float = 8.0, high: float = 9.0, sparse: bool = True) -> None:
        self.sparse = sparse
        self.observation_space = spaces.Box(0.0, EXTENT, shape=(3,), dtype=np.float32)
        self.action_space = spaces.Box(-MAX_MOVE, MAX_MOVE, shape=(2,), dtype=np.float32)
        self.seed()
        self.position, self.bumped = np.array(START), False
        self.reset_task({"goal": np.array(TRAIN_GOALS[0])})

    def sample_tasks(self, number: int) -> list[Task]:
        """The three training goals, whatever `number` is (ledger 9)."""
        return [{"goal": np.array(goal)} for goal in TRAIN_GOALS]

    def sample_test_tasks(self, number: int) -> list[Task]:
        """The two test goals, whatever `number` is; both are training goals too."""
        return [{"goal": np.array(goal)} for goal in TEST_GOALS]

    def reset_task(self, task: Task) -> None:
        self.task = task
        self.goal = np.array(task["goal"], dtype=np.float64)

    def reset(self) -> np.ndarray:
        """Back to the start; returns the observation."""
        self.position, self.bumped = np.array(START), False
        return self.observation()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Move if there is room, then pay for where the robot is now."""
        move = np.clip(np.asarray(action, dtype=np.float32), self.action_space.low, self.action_space.high)
        wanted = self.position + move
        column, row = (int(cell) for cell in np.rint(CELLS_PER_UNIT * wanted))  # rint rounds half to even
        self.bumped = not admits(row, column)
        if not self.bumped:
            self.position = wanted
        to_goal = self.position - self.goal
        distance = float(np.sqrt(to_goal[0] ** 2 + to_goal[1] ** 2))
        success = float(distance < BOWL_RADIUS)
        reward = success if self.sparse else -distance
        return self.observation(), reward, False, {"task": self.task, "success": success}

    def observation(self) -> np.ndarray:
        """x, y, bumped."""
        return np.array([*self.position, self.bumped], dtype=np.float32)
