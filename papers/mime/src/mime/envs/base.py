"""What all environments of the paper share: tasks to draw and to play for, beside the API of gym 0.17."""

from __future__ import annotations

from typing import Any

import gym
from gym.utils import seeding

Task = dict[str, Any]
"""What an environment can be asked to play for, by name."""


class MetaEnvironment(gym.Env):  # type: ignore[misc]  # gym 0.17 has no types
    """A distribution of tasks that share observations, actions and, but for the pendulum, dynamics. Source: card 4."""

    def seed(self, seed: int | None = None) -> list[int]:
        """Seed the generator that draws tasks and starting states; gym hashes the seed."""
        self.np_random, used = seeding.np_random(seed)
        return [used]

    def sample_tasks(self, number: int) -> list[Task]:
        """Draw training tasks; some environments have a number of their own."""
        raise NotImplementedError

    def sample_test_tasks(self, number: int) -> list[Task]:
        """Test tasks; the number is ignored where they are fixed."""
        raise NotImplementedError

    def reset_task(self, task: Task) -> None:
        """Play for another task from the next reset on."""
        raise NotImplementedError

    @property
    def dynamics_size(self) -> int:
        """Leading numbers of an observation that the dynamics model sees and predicts."""
        return int(self.observation_space.shape[0])
