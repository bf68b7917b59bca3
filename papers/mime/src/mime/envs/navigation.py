"""2D navigation with a reward only near the goal: the point-mass tasks of MIME, in the API of gym 0.17.

Source: card 4.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gym import spaces

from mime.envs.base import MetaEnvironment, Task

MAX_MOVE = 0.1
"""Length units per step and axis; longer actions are clipped by the environment."""
GOAL_RADIUS = 1.0
"""Length units; a distance strictly below it is rewarded."""
COMPASS_RADII = {(5.0, 5.5): (5.25,), (8.0, 9.0): (8.5,), (5.0, 9.0): (5.5, 8.5)}
"""(low, high) of the training ring -> radii of the fixed test goals, in length units."""


class Navigation2D(MetaEnvironment):
    """A point that starts at the origin and is paid for each step that ends within 1 of a hidden goal.

    Observation: the position, float32 (2,), unbounded. Action: a move, (2,), clipped to 0.1 per axis. Never ends by
    itself. A task is {"goal": (2,) float64}.
    """

    def __init__(self, low: float = 5.0, high: float = 9.0, sparse: bool = True) -> None:
        self.low, self.high, self.sparse = float(low), float(high), sparse
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(2,), dtype=np.float32)
        self.action_space = spaces.Box(-MAX_MOVE, MAX_MOVE, shape=(2,), dtype=np.float32)
        self.seed()
        self.position = np.zeros(2, dtype=np.float32)
        self.reset_task({"goal": np.zeros(2)})

    def sample_tasks(self, number: int) -> list[Task]:
        """Training goals: isotropic normal with standard deviation `high`, kept if strictly inside the ring."""
        goals: list[np.ndarray] = []
        while len(goals) < number:
            goal = self.np_random.normal(0.0, self.high, size=2)
            if self.low < np.linalg.norm(goal) < self.high:
                goals.append(goal)
        return [{"goal": goal} for goal in goals]

    def sample_test_tasks(self, number: int) -> list[Task]:
        """The fixed compass goals whatever `number` is; for rings that the paper does not have, as in training."""
        radii = COMPASS_RADII.get((self.low, self.high))
        if radii is None:
            return self.sample_tasks(number)
        return [{"goal": goal} for radius in radii for goal in compass(radius)]

    def reset_task(self, task: Task) -> None:
        self.task = task
        self.goal = np.array(task["goal"], dtype=np.float64)

    def reset(self) -> np.ndarray:
        """Back to the origin; returns the observation."""
        self.position = np.zeros(2, dtype=np.float32)
        return self.position.copy()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Move, then pay for where the point is now."""
        move = np.clip(np.asarray(action, dtype=np.float32), self.action_space.low, self.action_space.high)
        self.position = self.position + move
        to_goal = self.position.astype(np.float64) - self.goal
        distance = float(np.sqrt(to_goal[0] ** 2 + to_goal[1] ** 2))
        success = float(distance < GOAL_RADIUS)
        reward = success if self.sparse else -distance
        return self.position.copy(), reward, False, {"task": self.task, "success": success}


def compass(radius: float) -> list[np.ndarray]:
    """Eight goals around the origin: four on the axes, clockwise from the top, then four on the diagonals."""
    side = radius / np.sqrt(2.0)
    axes = [(0.0, radius), (radius, 0.0), (0.0, -radius), (-radius, 0.0)]
    diagonals = [(side, side), (side, -side), (-side, -side), (-side, side)]
    return [np.array(goal) for goal in axes + diagonals]
