"""Sensors that fail for a while: the original's process of gaps (card 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gym
import numpy as np
from gym import spaces
from numpy.typing import NDArray

from mummi.envs.camera import Camera
from mummi.envs.simulator import Observation
from mummi.envs.tasks import SENSORS
from mummi.streams import stream


class Gaps:
    """Which sensors are missing in each observation of one episode.

    `ratios` are the chances that a gap STARTS; at 0.05 and gaps of 1 to 14 observations 28 % are missing.
    """

    def __init__(self, generator: np.random.Generator, ratios: Mapping[str, float], longest: int) -> None:
        """`longest`: observations of a gap, exclusive."""
        self.generator, self.ratios, self.longest = generator, ratios, longest
        self.time = 0
        self.ends: dict[str, int] = {}

    def present(self) -> dict[str, bool]:
        """For each sensor, in the order of chance, whether the observation at the present time has it."""
        return {sensor: self.has(sensor) for sensor in SENSORS}

    def has(self, sensor: str) -> bool:
        """A running gap goes on; else a new one may start, and lasts for a uniform number of observations."""
        if self.time < self.ends.get(sensor, 0):
            return False
        if 1 - self.generator.random() <= self.ratios[sensor]:  # in (0, 1], so that a ratio of 0 means never
            self.ends[sensor] = self.time + int(self.generator.integers(1, self.longest))
            return False
        return True


class MissingSensors(gym.Wrapper):  # type: ignore[misc]
    """Zeroes what is missing and adds `touch_flag`, `image_flag`, `depth_flag`: float16 (1,), 1 where it is there.

    What will be missing is decided before the step, so that a camera need not draw what nobody will see.
    """

    def __init__(self, env: gym.Env, ratios: Mapping[str, float], longest: int, camera: Camera | None = None) -> None:
        """`camera`: the one inside that may rest while image and depth are both missing."""
        super().__init__(env)
        self.ratios, self.longest, self.camera = ratios, longest, camera
        flags = {f"{sensor}_flag": spaces.Box(0, 1, (1,), np.float16) for sensor in SENSORS}
        self.observation_space = spaces.Dict({**env.observation_space.spaces, **flags})

    def reset(self, **arguments: Any) -> Observation:
        """A new episode has no gap yet; its gaps are a pure function of seed, worker and the episode's number."""
        simulator = self.env.unwrapped
        episode = stream(simulator.given_seed, "missing", simulator.worker, simulator.episode)
        self.gaps = Gaps(episode, self.ratios, self.longest)
        present = self.decided()
        return self.masked(self.env.reset(**arguments), present)

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, dict[str, Any]]:
        """The reset's observation and the first step's are both of time 0 (card 4.6)."""
        present = self.decided()
        observation, reward, done, info = self.env.step(action)
        self.gaps.time += 1
        return self.masked(observation, present), reward, done, info

    def decided(self) -> dict[str, bool]:
        """What will be there; the camera is told."""
        present = self.gaps.present()
        if self.camera is not None:
            self.camera.needed = present["image"] or present["depth"]
        return present

    def masked(self, observation: Observation, present: Mapping[str, bool]) -> Observation:
        """The observation with zeros for what is missing, and the flags."""
        zeroed = {sensor: np.zeros_like(observation[sensor]) for sensor in SENSORS if not present[sensor]}
        flags = {f"{sensor}_flag": np.full(1, present[sensor], np.float16) for sensor in SENSORS}
        return {**observation, **zeroed, **flags}
