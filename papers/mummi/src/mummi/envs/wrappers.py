"""The plain wrappers of the original's stack (card 4.2): repeat, action range, time limit, collection, reward."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
from gym import spaces
from numpy.typing import NDArray

from mummi.envs.simulator import Observation

Step = tuple[Observation, float, bool, dict[str, Any]]
Episode = dict[str, NDArray[Any]]
"""Arrays of T + 1 entries: the observation after action i, that action, its summed reward and discount (card 4.7)."""


class ActionRepeat(gym.Wrapper):  # type: ignore[misc]
    """The same action several times: rewards are summed, a done stops it, the last observation is returned."""

    def __init__(self, env: gym.Env, amount: int) -> None:
        super().__init__(env)
        self.amount = amount

    def step(self, action: NDArray[Any]) -> Step:
        """One agent step, `amount` control steps."""
        total = 0.0
        for _ in range(self.amount):
            observation, reward, done, info = self.env.step(action)
            total += reward
            if done:
                break
        return observation, total, done, info


class NormalizeActions(gym.Wrapper):  # type: ignore[misc]
    """Actions in [-1, 1], mapped onto the range of the environment where that is finite; nothing is clipped."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        given = env.action_space
        self.finite = np.isfinite(given.low) & np.isfinite(given.high)
        self.low, self.high = np.where(self.finite, given.low, -1), np.where(self.finite, given.high, 1)
        low, high = np.where(self.finite, -1, given.low), np.where(self.finite, 1, given.high)
        self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def step(self, action: NDArray[Any]) -> Step:
        """`action`: (action size,)."""
        mapped = (action + 1) / 2 * (self.high - self.low) + self.low
        return self.env.step(np.where(self.finite, mapped, action))  # type: ignore[no-any-return]


class TimeLimit(gym.Wrapper):  # type: ignore[misc]
    """Ends an episode after `steps` agent steps; the discount becomes 1 only where the environment gave none."""

    def __init__(self, env: gym.Env, steps: int) -> None:
        super().__init__(env)
        self.steps, self.taken = steps, 0

    def reset(self, **arguments: Any) -> Observation:
        """Count from nothing."""
        self.taken = 0
        return self.env.reset(**arguments)  # type: ignore[no-any-return]

    def step(self, action: NDArray[Any]) -> Step:
        """One agent step."""
        observation, reward, done, info = self.env.step(action)
        self.taken += 1
        if self.taken >= self.steps:
            done = True
            info.setdefault("discount", np.float32(1.0))
        return observation, reward, done, info


class Collect(gym.Wrapper):  # type: ignore[misc]
    """Gathers each episode and hands it out in the last step's info["episode"].

    A step's observation is given on in the stored types; a reset's as it came (card 4.7).
    """

    def __init__(self, env: gym.Env, precision: int) -> None:
        """`precision`: bits of stored numbers, 16 or 32."""
        super().__init__(env)
        self.precision = precision
        self.entries: list[Observation] = []

    def reset(self, **arguments: Any) -> Observation:
        """The first entry: no action, no reward, discount 1."""
        observation: Observation = self.env.reset(**arguments)
        still = np.zeros(self.env.action_space.shape, np.float32)
        self.entries = [self.entry(observation, still, 0.0, 1.0)]
        return observation

    def step(self, action: NDArray[Any]) -> Step:
        """One entry more."""
        observation, reward, done, info = self.env.step(action)
        entry = self.entry(observation, action, reward, info.get("discount", 1.0))
        self.entries.append(entry)
        if done:
            info["episode"] = {key: np.stack([each[key] for each in self.entries]) for key in entry}
            self.entries = []
        return {key: entry[key] for key in observation}, reward, done, info

    def entry(self, observation: Observation, action: Any, reward: Any, discount: Any) -> Observation:
        """Everything of one moment in the types of storage."""
        values = {**observation, "action": action, "reward": reward, "discount": discount}
        return {key: stored(value, self.precision) for key, value in values.items()}


def stored(value: Any, precision: int) -> NDArray[Any]:
    """Floats and signed integers in `precision` bits; uint8 as it is. ValueError for any other kind (card 4.7).

    A float beyond float16's range becomes infinite there as in the original; touch stays far below it.
    """
    array = np.asarray(value)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "fi":
        raise ValueError(f"an episode holds floats, signed integers and bytes, got {array.dtype}")
    return array.astype(f"{array.dtype.kind}{precision // 8}")


class RewardObservation(gym.Wrapper):  # type: ignore[misc]
    """The agent sees the last reward as `reward`, 0 at a reset."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        reward = spaces.Box(-np.inf, np.inf, (), np.float32)
        self.observation_space = spaces.Dict({**env.observation_space.spaces, "reward": reward})

    def reset(self, **arguments: Any) -> Observation:
        """No reward yet."""
        return {**self.env.reset(**arguments), "reward": np.float32(0.0)}

    def step(self, action: NDArray[Any]) -> Step:
        """The reward among what is observed."""
        observation, reward, done, info = self.env.step(action)
        return {**observation, "reward": np.float32(reward)}, reward, done, info
