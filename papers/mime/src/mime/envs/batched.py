"""The environments again, over (tasks, episodes) at once: equal to the gym ones step by step.

Physics that are a few operations run on tensors; Meta-World's episodes are played one by one, in several processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mime.envs.base import MetaEnvironment, Task
from mime.envs.dog import BOWL_RADIUS, CELLS_PER_UNIT, START, DogNavigation2D
from mime.envs.dog_map import CELLS, admissible_cells
from mime.envs.ml10 import MetaWorldML10, WholeEpisodes
from mime.envs.navigation import GOAL_RADIUS, MAX_MOVE, Navigation2D
from mime.envs.pendulum import (
    GRAVITY,
    MAX_SPEED,
    MAX_TORQUE,
    NEARNESS,
    START_ANGLES,
    START_SPEEDS,
    TIME_STEP,
    MetaPendulum,
)


class SteppedEnvironment(Protocol):
    """All episodes of all tasks at once; every episode lasts `horizon` steps."""

    horizon: int

    def reset(self) -> Tensor:
        """First observations, float32 (tasks, episodes, observation size)."""

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Observations, then rewards and successes, float32 (tasks, episodes)."""


BatchedEnvironment = SteppedEnvironment | WholeEpisodes


class BatchedNavigation:
    """`Navigation2D` for many goals and episodes; positions are float32 and distances float64, as there."""

    def __init__(
        self, tasks: Sequence[Task], episodes: int, horizon: int, device: str = "cpu", sparse: bool = True
    ) -> None:
        self.goals = goals_of(tasks).to(device)[:, None]
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


class BatchedDogNavigation:
    """`DogNavigation2D` for many goals and episodes; positions are float64, observations float32."""

    def __init__(
        self, tasks: Sequence[Task], episodes: int, horizon: int, device: str = "cpu", sparse: bool = True
    ) -> None:
        self.goals = goals_of(tasks).to(device)[:, None]
        self.start = torch.tensor(START, dtype=torch.float64, device=device)
        self.admissible = torch.from_numpy(admissible_cells().copy()).to(device).flatten()
        self.row_length = torch.tensor([1, CELLS + 2], device=device)
        self.episodes, self.horizon, self.sparse = episodes, horizon, sparse
        self.reset()

    def reset(self) -> Tensor:
        """All robots at the start: (tasks, episodes, 3)."""
        self.position = self.start.expand(len(self.goals), self.episodes, 2)
        return torch.nn.functional.pad(self.position.float(), (0, 1))

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move every robot that has room; `actions` is (tasks, episodes, 2), unclipped."""
        wanted = self.position + actions.clamp(-MAX_MOVE, MAX_MOVE).double()
        cells = (CELLS_PER_UNIT * wanted).round().long() + 1
        # The bounds matter only for actions that are no numbers, which are for the losses to report.
        index = (cells.clamp(0, CELLS + 1) * self.row_length).sum(-1)
        free = self.admissible[index][..., None]
        self.position = torch.where(free, wanted, self.position)
        distance = (self.position - self.goals).square().sum(-1).sqrt()
        success = (distance < BOWL_RADIUS).float()
        observation = torch.cat([self.position.float(), (~free).float()], dim=-1)
        return observation, success if self.sparse else -distance.float(), success


class BatchedPendulum:
    """`MetaPendulum` for many masses, lengths and episodes; states are float64, observations float32."""

    def __init__(
        self,
        tasks: Sequence[Task],
        episodes: int,
        horizon: int,
        device: str = "cpu",
        sparse: bool = False,
        seed: int = 0,
    ) -> None:
        """`seed`: of the starting states, which are drawn on the CPU; each reset draws others."""
        self.mass, self.length = (
            torch.tensor([task[name] for task in tasks], dtype=torch.float64, device=device)[:, None]
            for name in ("mass", "length")
        )
        self.episodes, self.horizon, self.sparse = episodes, horizon, sparse
        self.starts = torch.Generator().manual_seed(seed)
        self.angle = self.speed = torch.zeros(len(tasks), episodes, dtype=torch.float64, device=device)

    def reset(self) -> Tensor:
        """All pendulums hanging down, almost at rest: (tasks, episodes, 3)."""
        drawn = torch.rand(2, len(self.mass), self.episodes, generator=self.starts, dtype=torch.float64)
        (low_angle, high_angle), (low_speed, high_speed) = START_ANGLES, START_SPEEDS
        angle = low_angle + (high_angle - low_angle) * drawn[0]
        return self.reset_to(angle, low_speed + (high_speed - low_speed) * drawn[1])

    def reset_to(self, angle: Tensor, speed: Tensor) -> Tensor:
        """Start from states, both (tasks, episodes), which are kept in float32 until the first step."""
        self.angle, self.speed = (state.float().double().to(self.mass.device) for state in (angle, speed))
        return self.observation()

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn every pendulum; `actions` is (tasks, episodes, 1), unclipped."""
        torque = actions[..., 0].clamp(-MAX_TORQUE, MAX_TORQUE).double()
        pull = -3.0 * GRAVITY / (2.0 * self.length) * (self.angle + torch.pi).sin()
        speed = self.speed + (pull + 3.0 * torque / (self.mass * self.length**2)) * TIME_STEP
        self.angle = self.angle + speed * TIME_STEP
        self.speed = speed.clamp(-MAX_SPEED, MAX_SPEED)
        distance = (2.0 * self.length**2 * (1.0 - self.angle.cos())).sqrt()
        success = (distance < NEARNESS * self.length).float()
        return self.observation(), success if self.sparse else -distance.float(), success

    def observation(self) -> Tensor:
        """cos, sin, speed."""
        return torch.stack([self.angle.cos(), self.angle.sin(), self.speed], dim=-1).float()


def goals_of(tasks: Sequence[Task]) -> Tensor:
    """The goals of navigation tasks, float64 (tasks, 2)."""
    return torch.from_numpy(np.stack([task["goal"] for task in tasks])).double()


def batch_of(
    environment: MetaEnvironment,
    tasks: Sequence[Task],
    episodes: int,
    horizon: int,
    device: str = "cpu",
    seed: int = 0,
) -> BatchedEnvironment:
    """The tensor form of a gym environment; `seed` is that of random starting states, where there are any."""
    if isinstance(environment, Navigation2D):
        return BatchedNavigation(tasks, episodes, horizon, device, environment.sparse)
    if isinstance(environment, DogNavigation2D):
        return BatchedDogNavigation(tasks, episodes, horizon, device, environment.sparse)
    if isinstance(environment, MetaPendulum):
        return BatchedPendulum(tasks, episodes, horizon, device, environment.sparse, seed)
    if isinstance(environment, MetaWorldML10):
        return WholeEpisodes(environment, tasks, episodes, horizon, device)
    raise TypeError(f"{type(environment).__name__} has no batched form")
