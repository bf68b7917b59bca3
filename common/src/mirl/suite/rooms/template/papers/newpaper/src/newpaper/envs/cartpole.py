"""CartPole-v1, many episodes in lock-step: equal to gym 0.17.2 step by step (tests/test_envs.py)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

GRAVITY, CART_MASS, POLE_MASS = 9.8, 1.0, 0.1
"""m/s², kg, kg."""
HALF_LENGTH = 0.5
"""Of the pole, m."""
FORCE, STEP_S = 10.0, 0.02
"""N, to the left or to the right; seconds of an environment step."""
POSITION_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * math.pi / 360
"""m, rad: beyond either an episode ends."""
START = 0.05
"""Each number of a first state lies within this of 0."""


class CartPoleBatch:
    """Episodes that are played side by side, each to its own end.

    A state is cart position (m), its velocity (m/s), pole angle (rad) and its velocity (rad/s); every step pays 1, the
    one that ends an episode too. Source: Barto, Sutton and Anderson 1983; card 4.
    """

    observation_size, actions, horizon = 4, 2, 500

    def __init__(self, episodes: int) -> None:
        self.state: Array = np.zeros((episodes, 4))
        self.alive: Array = np.ones(episodes, dtype=bool)

    def reset(self, uniforms: Tensor) -> Tensor:
        """Begin anew where `uniforms`, (episodes, 4) in [0, 1), put each; returns observations (episodes, 4)."""
        self.state = (2 * uniforms.numpy().astype(np.float64) - 1) * START
        self.alive = np.ones(len(self.state), dtype=bool)
        return self.observations()

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Push every cart, 0 to the left and 1 to the right.

        actions: (episodes,) int64. Returns observations (episodes, 4), rewards (episodes,), 0 where an episode was over
        already, and whether it is over now, (episodes,). What is over does not move.
        """
        paid = self.alive.astype(np.float32)
        moved = advance(self.state, actions.numpy())
        self.state = np.where(self.alive[:, None], moved, self.state)
        inside = (np.abs(self.state[:, 0]) <= POSITION_LIMIT) & (np.abs(self.state[:, 2]) <= ANGLE_LIMIT)
        self.alive = self.alive & inside
        return self.observations(), torch.from_numpy(paid), torch.from_numpy(~self.alive)

    def observations(self) -> Tensor:
        """(episodes, 4), float32."""
        return torch.from_numpy(self.state.astype(np.float32))


def advance(state: Array, actions: Array) -> Array:
    """States a step later, by Euler's method: (..., 4) and (...) -> (..., 4)."""
    _, velocity, angle, turning = np.moveaxis(state, -1, 0)
    force = np.where(actions == 1, FORCE, -FORCE)
    mass, moment = CART_MASS + POLE_MASS, POLE_MASS * HALF_LENGTH
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (force + moment * turning**2 * sine) / mass
    lever = HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / mass)
    angular = (GRAVITY * sine - cosine * push) / lever
    linear = push - moment * angular * cosine / mass
    change = np.stack([velocity, linear, turning, angular], axis=-1)
    return np.asarray(state + STEP_S * change)
