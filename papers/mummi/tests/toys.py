"""A small world in the place of MuJoCo: made-up pictures and touches, everything else as in the real tasks."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
from gym import spaces

from mummi.backgrounds import Backgrounds
from mummi.backgrounds.procedural import ProceduralVideos
from mummi.envs import EnvOptions, stacked
from mummi.envs.camera import SPACES
from mummi.envs.workers import Workers
from mummi.envs.wrappers import ActionRepeat
from mummi.streams import stream

ACTION_SIZE, TOUCH_SIZE = 6, 2


class ToySimulator(gym.Env):
    """A dot that the first two actions push over a 64x64 picture; its brightness is red 200, the rest is dark.

    Reward: 1 minus the dot's distance from the middle. Depth: 5 at the dot, 80 elsewhere. Touch: how hard a wall is
    pressed. An episode ends by itself after `limit` control steps.
    """

    def __init__(self, worker: int = 0, limit: int = 1000) -> None:
        self.worker, self.limit = worker, limit
        self.action_space = spaces.Box(-2, 2, (ACTION_SIZE,), np.float32)
        touch = spaces.Box(-np.inf, np.inf, (TOUCH_SIZE,), np.float32)
        self.observation_space = spaces.Dict(SPACES | {"touch": touch})
        self.seed(0)

    def seed(self, seed: int | None = None) -> list[int]:
        self.given_seed, self.episode = int(seed or 0), 0
        return [self.given_seed]

    def reset(self) -> dict[str, Any]:
        self.place = stream(self.given_seed, "toy", self.worker, self.episode).uniform(-1, 1, 2)
        self.touch, self.time = np.zeros(2), 0
        self.episode += 1
        return self.observation()

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        assert action.shape == (ACTION_SIZE,)
        wanted = self.place + 0.05 * action[:2]
        self.place = np.clip(wanted, -1, 1)
        self.touch, self.time = 1000 * np.abs(wanted - self.place), self.time + 1
        reward = float(1 - np.linalg.norm(self.place))
        return self.observation(), reward, self.time == self.limit, {"discount": np.float32(1.0)}

    def observation(self) -> dict[str, Any]:
        row, column = (np.round(30 + 28 * self.place)).astype(int)
        image, depth = np.full((64, 64, 3), 40, np.uint8), np.full((64, 64, 1), 80, np.float32)
        image[row : row + 4, column : column + 4] = 200, 120, 60
        depth[row : row + 4, column : column + 4] = 5
        return {"image": image, "depth": depth, "touch": self.touch, "height": np.float64(self.place[0])}

    def state(self) -> dict[str, int]:
        return {"episode": self.episode}

    def load_state(self, state: dict[str, int]) -> None:
        self.episode = state["episode"]


def toy_env(seed: int, backgrounds: Backgrounds, options: EnvOptions, worker: int = 0, limit: int = 1000) -> gym.Env:
    """The toy in all wrappers."""
    return stacked(ActionRepeat(ToySimulator(worker, limit), options.action_repeat), seed, backgrounds, options)


def toy_envs(seed: int, options: EnvOptions, envs: int = 1, parallel: str = "none") -> Workers:
    """Toys that step together."""
    backgrounds = ProceduralVideos("train", videos=3, frames=20)
    return Workers(toy_env, [(seed, backgrounds, options, worker) for worker in range(envs)], parallel)
