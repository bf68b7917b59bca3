"""Meta-World's environments, one for each class of tasks, and whole episodes played in them. Source: card 4.4, 7.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mirl.workers import Workers

ACTION_SIZE = 4
Layers = Sequence[tuple[np.ndarray, np.ndarray]]
"""Weight (out, in) and bias (out,) of each layer of a policy, from the observation to the mean action."""


@dataclass(frozen=True)
class Preset:
    """Which numbers of Meta-World's 39 an agent sees, and which of its rewards it gets."""

    observed: tuple[int, ...]
    """Indices into Meta-World's observation."""
    hidden: int
    """Zeros behind them, where the original had the goal."""
    reward_version: str
    dynamics_size: int
    """Leading numbers that the dynamics model sees: all but the goal, which never varies."""

    @property
    def observation_size(self) -> int:
        """Numbers in an observation."""
        return len(self.observed) + self.hidden

    def observation(self, full: np.ndarray) -> np.ndarray:
        """What the agent sees of Meta-World's observation, float32."""
        return np.concatenate([full[list(self.observed)], np.zeros(self.hidden)]).astype(np.float32)


PRESETS = {
    # Hand, first object, second object; the original padded objects to 6 numbers and hid the goal.
    "compat12": Preset((0, 1, 2, 4, 5, 6, 11, 12, 13), hidden=3, reward_version="v1", dynamics_size=6),
    # The present frame, the one before, and the goal, which Meta-World itself hides.
    "full39": Preset(tuple(range(39)), hidden=0, reward_version="v2", dynamics_size=36),
}


class Manipulation:
    """One Meta-World environment, which takes 0.2 s to build and then serves all tasks of its class."""

    def __init__(self, name: str, preset: Preset) -> None:
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS  # takes a second, and most tasks of the paper do without

        self.preset = preset
        # Meta-World is told its task by these attributes; its own set_task reads them out of a pickle.
        self.world: Any = ALL_V3_ENVIRONMENTS[name](reward_function_version=preset.reward_version)
        self.world._set_task_called = self.world._partially_observable = self.world.seeded_rand_vec = True
        self.goals: dict[int, np.ndarray] = {}

    def goal(self, seed: int) -> np.ndarray:
        """The positions that make a task, as the class itself draws them; the same seed gives the same."""
        if seed not in self.goals:
            self.world._freeze_rand_vec = False
            self.world.np_random = np.random.default_rng(seed)
            self.world.reset_model()
            self.goals[seed] = self.world._last_rand_vec.copy()
        return self.goals[seed]

    def reset(self, goal_seed: int) -> np.ndarray:
        """Start an episode of a task; nothing of earlier ones is left."""
        goal = self.goal(goal_seed)
        self.world._freeze_rand_vec, self.world._last_rand_vec = True, goal.copy()
        full, _ = self.world.reset()
        return self.preset.observation(full)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Observation, reward, and 1 where the step succeeded; actions are clipped to 1."""
        full, reward, _, _, info = self.world.step(np.clip(action, -1.0, 1.0))
        return self.preset.observation(full), float(reward), float(info["success"])


@dataclass(frozen=True)
class Job:
    """All episodes of one task: it holds everything that they depend on."""

    name: str
    """Of the class."""
    preset: str
    goal_seed: int
    layers: Layers
    deviations: np.ndarray
    """Added to the mean actions: (time, episodes, 4)."""


Played = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Observations before each step, unclipped actions, rewards, successes: float32 (time, episodes, ...)."""


class Player:
    """Plays jobs one after another, with one environment per class and preset."""

    def __init__(self) -> None:
        self.built: dict[tuple[str, str], Manipulation] = {}

    def environment(self, name: str, preset: str) -> Manipulation:
        """The environment of a class, built when it is first asked for."""
        if (name, preset) not in self.built:
            self.built[name, preset] = Manipulation(name, PRESETS[preset])
        return self.built[name, preset]

    def play(self, job: Job) -> Played:
        """The episodes of a job; the result depends on nothing but the job."""
        environment = self.environment(job.name, job.preset)
        horizon, episodes, _ = job.deviations.shape
        observations = np.empty((horizon, episodes, environment.preset.observation_size), dtype=np.float32)
        actions = np.empty_like(job.deviations)
        rewards, successes = np.empty((2, horizon, episodes), dtype=np.float32)
        for episode in range(episodes):
            observation = environment.reset(job.goal_seed)
            for time in range(horizon):
                action = mean_action(job.layers, observation) + job.deviations[time, episode]
                observations[time, episode], actions[time, episode] = observation, action
                observation, rewards[time, episode], successes[time, episode] = environment.step(action)
        return observations, actions, rewards, successes


@cache
def shared_player(number: int) -> Player | Workers:
    """One player for this process, or `number` others, shared by all environments and kept until the end."""
    return Player() if number == 1 else Workers(number, Player)


def play_all(player: Player | Workers, jobs: Sequence[Job]) -> list[Played]:
    """The results of all jobs, in their order. Players in other processes raise mirl.workers.WorkerError."""
    if isinstance(player, Workers):
        return player.map("play", jobs, lambda job: job.name)
    return [player.play(job) for job in jobs]


def mean_action(layers: Layers, observation: np.ndarray) -> np.ndarray:
    """The policy's mean for one observation: tanh layers, the last one linear."""
    values = observation
    for weight, bias in layers[:-1]:
        values = np.tanh(weight @ values + bias)
    weight, bias = layers[-1]
    mean: np.ndarray = weight @ values + bias
    return mean
