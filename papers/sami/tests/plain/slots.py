"""Slots the slow way: one gym environment after the other, in Stable-Baselines3's vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from sami.envs import environment_id
from sami.envs.episodes import scaled_action, slot_seed
from sami.settings import TaskTuple


class PlainSlots:
    """What `make_slots` gives, from registered environments; call it within `sami.patches.patched()`."""

    def __init__(self, task: str, tuples: Sequence[TaskTuple], seed: int, horizon: int, **options: Any) -> None:
        def maker(parameters: TaskTuple) -> Any:
            return lambda: gymnasium.make(environment_id(task), parameters=parameters, horizon=horizon, **options)

        self.vector = DummyVecEnv([maker(parameters) for parameters in tuples])
        for slot, environment in enumerate(self.vector.envs):
            environment.unwrapped.seed(slot_seed(seed, slot))

    def reset(self) -> np.ndarray:
        return self.flat(self.vector.reset())

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations, rewards, dones, terminal observations, infos."""
        space = self.vector.action_space
        seen, rewards, dones, infos = self.vector.step(scaled_action(actions, space.low, space.high))
        observation = self.flat(seen)
        terminal = observation.copy()
        for slot in np.flatnonzero(dones):
            terminal[slot] = self.flat(infos[slot]["terminal_observation"])
        return observation, rewards, dones, terminal, infos

    @staticmethod
    def flat(observation: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([observation[key] for key in sorted(observation)], axis=-1)
