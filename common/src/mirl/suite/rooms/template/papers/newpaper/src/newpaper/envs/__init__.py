"""The tasks, as gym knows them and as they are played."""

from __future__ import annotations

import gym

from newpaper.envs.cartpole import CartPoleBatch

GYM_IDS = {"cartpole": "CartPole-v1"}
"""Task -> the environment of gym 0.17.2 that a batch is held against."""


def make(task: str) -> gym.Env:
    """The gym environment of a task: reset() gives an observation, step(action) four values."""
    return gym.make(GYM_IDS[task])


def batch_of(task: str, episodes: int) -> CartPoleBatch:
    """That many episodes of a task, in lock-step."""
    return {"cartpole": CartPoleBatch}[task](episodes)


__all__ = ["GYM_IDS", "CartPoleBatch", "batch_of", "make"]
