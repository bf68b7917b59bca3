"""The tasks as registered gym 0.17 environments, and as tensor operations over many episodes."""

from __future__ import annotations

from typing import Any

import gym

from mime.envs.base import MetaEnvironment, Task
from mime.envs.batched import BatchedEnvironment, BatchedNavigation, SteppedEnvironment, batch_of
from mime.envs.dog import TRAIN_GOALS, DogNavigation2D
from mime.envs.ml10 import MetaWorldML10, WholeEpisodes
from mime.envs.navigation import Navigation2D
from mime.envs.pendulum import MetaPendulum

__all__ = [
    "BatchedEnvironment",
    "BatchedNavigation",
    "DogNavigation2D",
    "MetaEnvironment",
    "MetaPendulum",
    "MetaWorldML10",
    "Navigation2D",
    "SteppedEnvironment",
    "Task",
    "WholeEpisodes",
    "batch_of",
    "class_of",
    "dynamics_size_of",
    "horizon_of",
    "make",
    "pearl_tasks",
    "tasks_per_iteration",
]

HORIZONS = {
    "2DNavigationSparse-v0": 100,
    "2DNavigationSparseLong-v0": 300,
    "DogNavigation2D-v0": 1000,
    "MetaPendulum-v0": 50,
    "Metaworld-ML10": 150,
}
"""The paper's name of an environment -> steps per episode (card 4)."""
ENTRY_POINTS = {
    "2DNavigationSparse-v0": "mime.envs.navigation:Navigation2D",
    "2DNavigationSparseLong-v0": "mime.envs.navigation:Navigation2D",
    "DogNavigation2D-v0": "mime.envs.dog:DogNavigation2D",
    "MetaPendulum-v0": "mime.envs.pendulum:MetaPendulum",
    "Metaworld-ML10": "mime.envs.ml10:MetaWorldML10",
}


def gym_id(name: str) -> str:
    """The id under which gym knows an environment; it insists on a version."""
    return name if name.endswith("-v0") else f"{name}-v0"


for name, horizon in HORIZONS.items():
    gym.register(gym_id(name), entry_point=ENTRY_POINTS[name], max_episode_steps=horizon)


def make(name: str, seed: int, **settings: Any) -> gym.Env:
    """A registered environment, wrapped in gym's TimeLimit, whose goals are drawn from `seed`."""
    environment = gym.make(gym_id(name), **settings)
    environment.seed(seed)
    return environment


def horizon_of(name: str) -> int:
    """Steps per episode of a registered environment."""
    return HORIZONS[name]


def dynamics_size_of(environment: gym.Env) -> int:
    """Leading numbers of an observation that the dynamics model sees and predicts."""
    return int(environment.unwrapped.dynamics_size)


def class_of(task: Task) -> str | None:
    """The class that ML10's tasks belong to; None for the other environments, whose tasks are of one kind."""
    return task.get("class")


def pearl_tasks(environment: gym.Env, training: int) -> list[Task]:
    """The fixed list that PEARL's task indices mean: training draws, then the test tasks (card 4.5)."""
    unwrapped = environment.unwrapped
    pendulum = isinstance(unwrapped, MetaPendulum)
    tests = unwrapped.pearl_test_tasks() if pendulum else unwrapped.sample_test_tasks(0)
    return [*unwrapped.sample_tasks(training), *tests]


def tasks_per_iteration(name: str, asked: int) -> int:
    """How many tasks an environment draws when it is asked for some: the dog's are always three (ledger 9)."""
    return len(TRAIN_GOALS) if name == "DogNavigation2D-v0" else asked
