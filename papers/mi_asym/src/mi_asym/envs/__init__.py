"""The six tasks, as registered gym 0.22 environments and as batches of many environments (card 2.1 and 4)."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import gym
import numpy as np

from mi_asym.envs.grid_batch import GridBatch, GridTables, Outcome, tabulate
from mi_asym.envs.gridworld import HORIZON, CarFlag2D, Gridworld, HeavenHell, Sphinx
from mi_asym.envs.spec import TaskSpec
from mirl.config import ConfigError

__all__ = [
    "GRID_TASKS", "HORIZON", "ROBOT_TASKS", "TASKS", "Batch", "GridBatch", "GridTables", "Outcome", "TaskSpec",
    "environment_note", "environment_version", "grid_tables", "make", "make_batch", "refuse_start", "task_spec",
]  # fmt: skip

GRIDS: dict[str, tuple[str, Callable[..., Gridworld]]] = {
    "heaven_hell": ("HeavenHell-v0", HeavenHell),
    "sphinx": ("Sphinx-v0", Sphinx),
    "carflag_2d": ("CarFlag-2D-v0", CarFlag2D),
}
"""task -> gym id and class."""
ROBOTS = {
    "block_pulling": ("BlockPulling-v0", "mi_asym.envs.robots.environment:BlockPulling"),
    "block_pushing": ("BlockPushing-v0", "mi_asym.envs.robots.environment:BlockPushing"),
    "drawer_opening": ("DrawerOpening-v0", "mi_asym.envs.robots.environment:DrawerOpening"),
}
"""task -> gym id and entry point, by name: only who plays with robots loads the physics engine."""
GRID_TASKS, ROBOT_TASKS = tuple(GRIDS), tuple(ROBOTS)
TASKS = GRID_TASKS + ROBOT_TASKS
GRID_VERSION, ROBOT_VERSION = "grid-1", "robot-2"
ROBOT_IMAGE = (2, 84, 84)
ROBOT_NOTE = (
    "stand-in: the original's robot domains are not public; scene, drawers and expert follow the author's public "
    "version of the same tasks, and the state image is depth + mask of the movable object"
)

for identifier, entry_point in [*GRIDS.values(), *ROBOTS.values()]:
    gym.register(identifier, entry_point=entry_point, max_episode_steps=HORIZON)


class Batch(Protocol):
    """K environments of one task; arrays of length K. What a step costs is paid for one step, not for pictures."""

    spec: TaskSpec
    num_envs: int
    episode: np.ndarray
    """int64: resets so far, less one."""
    episode_step: np.ndarray
    """int64: steps since the reset."""

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin a new episode in the environments of `mask`, bool (K,), or in all."""

    def step(self, actions: np.ndarray, active: np.ndarray | None = None) -> Outcome:
        """Act in the environments of `active`, bool (K,), or in all; raises RuntimeError where an episode is over."""

    def observation(self) -> np.ndarray:
        """float32 (K, O)."""

    def state(self) -> np.ndarray:
        """float32 (K, S)."""

    def frame(self, k: int = 0) -> np.ndarray:
        """A colour picture, uint8 (height, width, 3)."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, as tensors; also in the middle of an episode."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""

    def close(self) -> None:
        """Free processes and simulators."""


def known(task: str) -> str:
    """The task's id as it is written here; raises ConfigError where there is none."""
    found = next((name for name in TASKS if name == task.lower()), None)
    if found is None:
        near = difflib.get_close_matches(task.lower(), TASKS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no task {task!r} in paper mi_asym; {hint}(tasks: {', '.join(TASKS)})")
    return found


@cache
def task_spec(task: str) -> TaskSpec:
    """The sizes of a task."""
    task = known(task)
    if task in ROBOTS:
        size = int(np.prod(ROBOT_IMAGE))
        return TaskSpec(task, ROBOTS[task][0], size, size, 5, True, ROBOT_IMAGE, True)
    identifier, grid = GRIDS[task]
    example = grid()
    size = int(np.prod(example.observation_space.shape))
    return TaskSpec(task, identifier, size, size, example.action_space.n, False, example.image_shape, False)


def environment_note(task: str) -> str:
    """What every result of a task must say of its environment; empty where it is as the paper's code has it."""
    return ROBOT_NOTE if known(task) in ROBOTS else ""


def environment_version(task: str) -> str:
    """Changes whenever a transition or a picture of the task would."""
    return ROBOT_VERSION if known(task) in ROBOTS else GRID_VERSION


@cache
def grid_tables(task: str, mdp: bool = False) -> GridTables:
    """The rules of a gridworld as tables."""
    return tabulate(GRIDS[known(task)][1](mdp=mdp))


def make(task: str, seed: int, **options: Any) -> gym.Env:
    """The registered environment in gym's TimeLimit, its episodes drawn from `seed`."""
    environment = gym.make(task_spec(task).env_id, **options)
    environment.seed(seed)
    return environment


def refuse_start(task: str, start: str) -> None:
    """Raise ConfigError where a task has no such start."""
    if start not in ("carry", "uniform"):
        raise ConfigError(f"--start must be carry or uniform, got {start!r}")
    if start != "carry" and task != "carflag_2d":
        raise ConfigError(f"--start {start} is for carflag_2d only, got task {task}")


def make_batch(
    task: str,
    num_envs: int,
    seed: int,
    *,
    start: str = "carry",
    mdp: bool = False,
    workers: int = 0,
    purpose: str = "train",
) -> Any:
    """`num_envs` environments of a task: a `GridBatch` or a `RobotBatch`, both a `Batch`.

    Episode e of environment k is drawn from (seed, purpose, k, e) alone. `start` is CarFlag's (card 7.9); with `mdp`
    the observation is the state; `workers` processes share the robots, 0 keeps them in this one.
    """
    spec = task_spec(task)
    if num_envs < 1:
        raise ConfigError(f"--num-envs must be at least 1, got {num_envs}")
    refuse_start(spec.task, start)
    if spec.task in ROBOTS:
        from mi_asym.envs.robots.batch import RobotBatch

        return RobotBatch(spec, num_envs, seed, mdp=mdp, workers=workers, purpose=purpose)
    options = {"start": start} if spec.task == "carflag_2d" else {}
    return GridBatch(spec, GRIDS[spec.task][1](mdp=mdp, purpose=purpose, **options), num_envs, seed)
