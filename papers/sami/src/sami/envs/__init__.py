"""SaMI's eleven tasks: registered gym 0.23 environments, and the same as slots that step together.

The ids are registered in gymnasium too, for Stable-Baselines3's vector environments, which need the documented
patches (`sami.patches`): the environments speak gym 0.23's API in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import gym
import gymnasium

from sami.envs.episodes import Options, Slots
from sami.envs.locomotion import Locomotion
from sami.envs.panda import HORIZON as PANDA_HORIZON
from sami.envs.panda_scene import KEYS as PANDA_KEYS
from sami.envs.panda_slots import PandaSlots
from sami.envs.robots import LEGACY, robot_of
from sami.envs.slots import MujocoSlots
from sami.settings import TASKS, TaskTuple

__all__ = ["Options", "Slots", "environment_id", "horizon_of", "make_slots", "make_test_env", "sizes_of"]

IDS = {
    "panda": "SamiPanda-v0",
    "ant": "SamiAnt-v0",
    "crippled_ant": "SamiCrippledAnt-v0",
    "halfcheetah": "SamiHalfCheetah-v0",
    "crippled_halfcheetah": "SamiCrippledHalfCheetah-v0",
    "hopper": "SamiHopper-v0",
    "crippled_hopper": "SamiCrippledHopper-v0",
    "walker": "SamiWalker-v0",
    "crippled_walker": "SamiCrippledWalker-v0",
    "slim_humanoid": "SamiSlimHumanoid-v0",
    "humanoid_standup": "SamiHumanoidStandup-v0",
}
"""Task -> gym id."""


def time_limit(task: str) -> int:
    """Steps of the outer limit: the release's 2000, or an older horizon that is longer (card 4.1, 4.3)."""
    return PANDA_HORIZON if task == "panda" else int(max(2000, LEGACY.get(task, {}).get("horizon", 0)))


def register() -> None:
    """Make the ids known to gym and gymnasium, each with its own library's spaces."""
    for task, name in IDS.items():
        entry = "sami.envs.panda:PandaPush" if task == "panda" else "sami.envs.locomotion:Locomotion"
        gym.register(name, entry_point=entry, max_episode_steps=time_limit(task), kwargs={"task": task})
        gymnasium.register(
            name,
            entry_point=entry,
            max_episode_steps=time_limit(task),
            disable_env_checker=True,
            kwargs={"task": task, "spaces": "gymnasium"},
        )


register()


def known(task: str) -> str:
    """The task. ValueError, in one line, where there is none of that name."""
    if task not in TASKS:
        raise ValueError(f"no task {task!r}; one of {', '.join(TASKS)}")
    return task


def environment_id(task: str) -> str:
    """The task's id in gym and gymnasium."""
    return IDS[known(task)]


def horizon_of(task: str, reward_version: str = "final") -> int:
    """Steps per episode, at most."""
    return PANDA_HORIZON if known(task) == "panda" else robot_of(task, reward_version).horizon


@cache
def sizes_of(task: str) -> tuple[int, int]:
    """Numbers in an observation and in an action."""
    if known(task) == "panda":
        return sum(PANDA_KEYS.values()), 4
    environment = Locomotion(task, seed=0)
    return environment.observation_space["observation"].shape[0], environment.action_space.shape[0]


def make_slots(
    task: str, tuples: Sequence[TaskTuple], seed: int, horizon: int | None = None, threads: int = 1, **options: Any
) -> Slots:
    """One slot per tuple, in training and in testing alike.

    `threads`: physics threads; for Panda, processes. `options` are `Options`; Panda has no use for them.
    """
    if not tuples:
        raise ValueError(f"{known(task)} needs at least one task tuple")
    if horizon is not None and horizon < 1:
        raise ValueError(f"horizon is at least 1, got {horizon}")
    if known(task) == "panda":
        return PandaSlots(tuples, seed, horizon, threads)
    return MujocoSlots(task, tuples, seed, horizon, threads, Options(**options))


def make_test_env(task: str, parameters: TaskTuple, seed: int, horizon: int | None = None, **options: Any) -> gym.Env:
    """A registered environment in gym's own wrappers, whose episodes are drawn from `seed`."""
    environment = gym.make(environment_id(task), parameters=parameters, horizon=horizon, **options)
    environment.seed(seed)
    return environment
