"""The tasks as registered gym 0.17 environments, and as tensor operations over many episodes."""

from __future__ import annotations

from typing import Any

import gym

from mime.envs.batched import BatchedEnvironment, BatchedNavigation, batch_of
from mime.envs.navigation import Navigation2D, Task

__all__ = ["BatchedEnvironment", "BatchedNavigation", "Navigation2D", "Task", "batch_of", "horizon_of", "make"]

HORIZONS = {"2DNavigationSparse-v0": 100, "2DNavigationSparseLong-v0": 300}
"""gym id -> steps per episode (card 4.1)."""

for name, horizon in HORIZONS.items():
    gym.register(name, entry_point="mime.envs.navigation:Navigation2D", max_episode_steps=horizon)


def make(name: str, seed: int, **settings: Any) -> gym.Env:
    """A registered environment, wrapped in gym's TimeLimit, whose goals are drawn from `seed`."""
    environment = gym.make(name, **settings)
    environment.seed(seed)
    return environment


def horizon_of(name: str) -> int:
    """Steps per episode of a registered environment."""
    return HORIZONS[name]
