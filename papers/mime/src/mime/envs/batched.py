"""The environments again as tensor operations over (tasks, episodes): equal to the gym ones step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mime.envs.navigation import GOAL_RADIUS, MAX_MOVE, Navigation2D, Task


class BatchedEnvironment(Protocol):
    """All episodes of all tasks at once; every episode lasts `horizon` steps."""

    horizon: int

    def reset(self) -> Tensor:
        """First observations, float32 (tasks, episodes, observation size)."""

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Observations, then rewards and successes, float32 (tasks, episodes)."""


class BatchedNavigation:
    """`Navigation2D` for many goals and episodes; positions are float32 and distances float64, as there."""

    def __init__(
        self, tasks: Sequence[Task], episodes: int, horizon: int, device: str = "cpu", sparse: bool = True
    ) -> None:
        goals = np.stack([task["goal"] for task in tasks])
        self.goals = torch.from_numpy(goals).to(device, torch.float64)[:, None]
        self.episodes, self.horizon, self.sparse = episodes, horizon, sparse
        self.position = self.reset()

    def reset(self) -> Tensor:
        """All points at the origin: (tasks, episodes, 2)."""
        self.position = torch.zeros(len(self.goals), self.episodes, 2, device=self.goals.device)
        return self.position

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move every point; `actions` is (tasks, episodes, 2), unclipped."""
        self.position = self.position + actions.clamp(-MAX_MOVE, MAX_MOVE)
        distance = (self.position.double() - self.goals).square().sum(-1).sqrt()
        success = (distance < GOAL_RADIUS).float()
        return self.position, success if self.sparse else -distance.float(), success


def batch_of(
    environment: Navigation2D, tasks: Sequence[Task], episodes: int, horizon: int, device: str = "cpu"
) -> BatchedEnvironment:
    """The tensor form of a gym environment."""
    return BatchedNavigation(tasks, episodes, horizon, device, environment.sparse)
