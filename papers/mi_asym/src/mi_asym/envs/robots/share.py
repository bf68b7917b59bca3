"""Some of a batch's robot worlds, all in one process."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mi_asym.envs.draws import episode_generator
from mi_asym.envs.images import SIZE
from mi_asym.envs.robots.world import RobotWorld


class Pictures(NamedTuple):
    """What the cameras of some worlds see."""

    depth: np.ndarray
    """float16 (n, 84, 84)."""
    holding: np.ndarray
    """bool (n,)."""
    mask: np.ndarray
    """bool (n, 84, 84)."""


class Share:
    """Worlds number `first` to `first + number - 1` of a batch."""

    def __init__(self, task: str, key: int, first: int, number: int) -> None:
        self.key, self.first = key, first
        self.worlds = [RobotWorld(task) for _ in range(number)]

    def reset(self, episodes: dict[int, int]) -> Pictures:
        """Begin the given episode in each world that is named."""
        for index, episode in episodes.items():
            self.worlds[index].reset(episode_generator(self.key, self.first + index, episode))
        return self.pictures(list(episodes))

    def step(self, actions: dict[int, np.ndarray]) -> tuple[np.ndarray, Pictures]:
        """Act in the worlds that are named: (reward, done, success), float32 (n, 3), and pictures."""
        arrivals = [tuple(self.worlds[index].step(action)) for index, action in actions.items()]
        return np.array(arrivals, np.float32).reshape(-1, 3), self.pictures(list(actions))

    def pictures(self, indices: list[int]) -> Pictures:
        """What these worlds' cameras see now."""
        worlds = [self.worlds[index] for index in indices]
        return Pictures(
            np.array([world.depth for world in worlds], np.float16).reshape(-1, SIZE, SIZE),
            np.array([world.holding for world in worlds], bool),
            np.array([world.mask for world in worlds], bool).reshape(-1, SIZE, SIZE),
        )

    def query_expert(self, seeking: dict[int, bool]) -> np.ndarray:
        """The experts' next actions in the worlds that are named: float32 (n, 5)."""
        actions = [self.worlds[index].query_expert(wants) for index, wants in seeking.items()]
        return np.array(actions, np.float32).reshape(-1, 5)

    def frame(self, index: int) -> np.ndarray:
        """A colour picture of one world."""
        return self.worlds[index].frame()

    def close(self) -> None:
        """Free the simulations."""
        for world in self.worlds:
            world.close()
