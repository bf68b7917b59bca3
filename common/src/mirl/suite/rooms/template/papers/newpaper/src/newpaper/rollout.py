"""Episodes, played in lock-step under one policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from newpaper.envs import CartPoleBatch, batch_of
from newpaper.networks import Policy
from newpaper.streams import uniform


@dataclass(frozen=True)
class Episodes:
    """What was seen, done and paid; rows after an episode's end are not alive and count nowhere."""

    observations: Tensor
    """(time, episodes, size), before each action."""
    actions: Tensor
    """(time, episodes), int64."""
    rewards: Tensor
    """(time, episodes)."""
    alive: Tensor
    """(time, episodes), float32: 1 where the step was played."""
    horizon: int
    """Steps after which the task ends an episode."""

    @property
    def env_steps(self) -> int:
        """Environment steps of all episodes together."""
        return int(self.alive.sum())

    def returns(self) -> Tensor:
        """Undiscounted, (episodes,)."""
        return self.rewards.sum(0)

    def lengths(self) -> Tensor:
        """Steps, (episodes,)."""
        return self.alive.sum(0)

    def survived(self) -> Tensor:
        """1 where an episode reached the horizon of the task, else 0, (episodes,)."""
        return (self.lengths() == self.horizon).float()

    def statistics(self) -> dict[str, float]:
        """What training tells of them."""
        return {"train/return": float(self.returns().mean()), "train/episodes": float(self.alive.shape[1])}


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch of episodes, in [0, 1)."""

    starts: Tensor
    """(episodes, state size)."""
    actions: Tensor
    """(horizon, episodes)."""

    @classmethod
    def of(cls, seed: int, number: int, purpose: str, episodes: int, batch: CartPoleBatch) -> Draws:
        """Those of the batch with this number, for this purpose."""
        return cls(
            uniform(seed, number, f"{purpose} starts", episodes, batch.observation_size),
            uniform(seed, number, f"{purpose} actions", batch.horizon, episodes),
        )


def collect(policy: Policy, task: str, episodes: int, seed: int, number: int) -> Episodes:
    """The episodes that update `number` learns from."""
    batch = batch_of(task, episodes)
    return play(policy, batch, Draws.of(seed, number, "training", episodes, batch))


@torch.no_grad()
def play(policy: Policy, batch: CartPoleBatch, draws: Draws, greedy: bool = False) -> Episodes:
    """Every episode of the batch to its end, or to the horizon; `greedy` takes the likeliest actions."""
    rows = list(steps(policy, batch, draws, greedy))
    observations, actions, rewards = (torch.stack(column) for column in zip(*rows, strict=True))
    return Episodes(observations, actions, rewards, rewards, batch.horizon)  # a step pays 1: what is paid was alive


def steps(policy: Policy, batch: CartPoleBatch, draws: Draws, greedy: bool) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(observations, actions, rewards) of each step of the batch; ends when every episode has."""
    device = next(policy.parameters()).device
    observations = batch.reset(draws.starts)
    for uniforms in draws.actions:
        logits = policy(observations.to(device)).cpu()
        actions = logits.argmax(-1) if greedy else categorical(logits, uniforms)
        after, rewards, over = batch.step(actions)
        yield observations, actions, rewards
        observations = after
        if over.all():
            return


def categorical(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Draws from softmax(logits) by inverting its distribution function: (..., actions) and (...) -> (...) int64."""
    cumulative = torch.softmax(logits, -1).cumsum(-1)
    return (cumulative <= uniforms[..., None]).sum(-1).clamp(max=logits.shape[-1] - 1)
