"""Swinging up a pendulum of unknown mass and length, in the API of gym 0.17. Source: card 4.3."""

from __future__ import annotations

from typing import Any

import numpy as np
from gym import spaces

from mime.envs.base import MetaEnvironment, Task

GRAVITY = 10.0
"""Length units per second squared."""
TIME_STEP = 0.1
"""Seconds."""
MAX_TORQUE = 2.0
MAX_SPEED = 20.0
"""Radians per second."""
START_ANGLES = (3.0, 3.28)
"""Radians from upright: about hanging down."""
START_SPEEDS = (-0.01, 0.01)
"""Radians per second."""
NEARNESS = 0.0005
"""Of the length: a distance of the tip from upright strictly below it is success."""
TRAIN_PAIRS = ((0.5, 0.4), (0.5, 0.5), (0.5, 0.7), (0.7, 0.4), (0.7, 0.5), (0.7, 0.7))
"""(mass, length)."""
PEARL_TEST_PAIR = (0.5, 0.7)
"""The training pair that PEARL's released environment tests on."""
TEST_PAIRS = ((0.6, 0.6), (0.6, 0.8), (0.8, 0.6), (0.8, 0.8))


class MetaPendulum(MetaEnvironment):
    """A pendulum that starts hanging and is driven by a torque; the angle is 0 upright and never wrapped.

    Observation: cosine and sine of the angle, and speed, float32 (3,). Action: a torque, (1,), clipped to 2. Dense
    reward: minus the distance of the tip from its upright place; sparse: 1 where that is almost nothing. Never ends by
    itself. A task is {"mass": float, "length": float}.
    """

    def __init__(self, sparse: bool = False, every_task: bool = False) -> None:
        """`every_task`: draw from all six training pairs and test each test pair once; as released (ledger 8) the
        sixth is never drawn, and tests are four draws with replacement."""
        self.sparse, self.every_task = sparse, every_task
        bound = np.array([1.0, 1.0, MAX_SPEED], dtype=np.float32)
        self.observation_space = spaces.Box(-bound, bound, dtype=np.float32)
        self.action_space = spaces.Box(-MAX_TORQUE, MAX_TORQUE, shape=(1,), dtype=np.float32)
        self.seed()
        self.angle = self.speed = 0.0
        self.reset_task(as_task(TRAIN_PAIRS[0]))

    def sample_tasks(self, number: int) -> list[Task]:
        """Uniform draws from the training pairs."""
        pairs = TRAIN_PAIRS if self.every_task else TRAIN_PAIRS[:-1]
        return [as_task(pairs[index]) for index in self.np_random.randint(len(pairs), size=number)]

    def sample_test_tasks(self, number: int) -> list[Task]:
        """Four draws from the test pairs, or each once, whatever `number` is."""
        if self.every_task:
            return self.test_tasks()
        draws = self.np_random.randint(len(TEST_PAIRS), size=len(TEST_PAIRS))
        return [as_task(TEST_PAIRS[index]) for index in draws]

    def test_tasks(self) -> list[Task]:
        """Each test pair once."""
        return [as_task(pair) for pair in TEST_PAIRS]

    def pearl_test_tasks(self) -> list[Task]:
        """Each test pair once, or as released one training pair in the place of each (ledger 21)."""
        return self.test_tasks() if self.every_task else [as_task(PEARL_TEST_PAIR) for _ in TEST_PAIRS]

    def reset_task(self, task: Task) -> None:
        self.task = task
        self.mass, self.length = float(task["mass"]), float(task["length"])

    def reset(self) -> np.ndarray:
        """Hang down, almost at rest; returns the observation."""
        return self.reset_to(self.np_random.uniform(*START_ANGLES), self.np_random.uniform(*START_SPEEDS))

    def reset_to(self, angle: float, speed: float) -> np.ndarray:
        """Start from a state, in radians and radians per second; it is kept in float32 until the first step."""
        self.angle, self.speed = float(np.float32(angle)), float(np.float32(speed))
        return self.observation()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Turn for a tenth of a second; the angle moves by the speed before that is clipped."""
        torque = float(np.clip(np.asarray(action, dtype=np.float32), -MAX_TORQUE, MAX_TORQUE)[0])
        pull = -3.0 * GRAVITY / (2.0 * self.length) * np.sin(self.angle + np.pi)
        push = 3.0 * torque / (self.mass * self.length**2)
        speed = self.speed + (pull + push) * TIME_STEP
        self.angle = self.angle + speed * TIME_STEP
        self.speed = float(np.clip(speed, -MAX_SPEED, MAX_SPEED))
        distance = float(np.sqrt(2.0 * self.length**2 * (1.0 - np.cos(self.angle))))
        success = float(distance < NEARNESS * self.length)
        reward = success if self.sparse else -distance
        return self.observation(), reward, False, {"task": self.task, "success": success}

    def observation(self) -> np.ndarray:
        """cos, sin, speed."""
        return np.array([np.cos(self.angle), np.sin(self.angle), self.speed], dtype=np.float32)


def as_task(pair: tuple[float, float]) -> Task:
    """(mass, length) by name."""
    return {"mass": pair[0], "length": pair[1]}
