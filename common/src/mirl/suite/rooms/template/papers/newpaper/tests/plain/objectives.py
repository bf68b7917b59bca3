"""Returns and losses, a number at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from newpaper.agent import Agent
from newpaper.rollout import Episodes


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """G_t = r_t + gamma G_{t+1}, from each episode's end backwards: (time, episodes) -> (time, episodes)."""
    returns = torch.zeros_like(rewards)
    for episode in range(rewards.shape[1]):
        following = 0.0
        for step in reversed(range(len(rewards))):
            following = float(rewards[step, episode]) + discount * following
            returns[step, episode] = following
    return returns


def losses(agent: Agent, episodes: Episodes) -> dict[str, Tensor]:
    """What an update's optimiser sees: sums over episodes and their steps, with autograd."""
    config = agent.config
    policy, value, played = torch.tensor(0.0), torch.tensor(0.0), 0
    returns = discounted_returns(episodes.rewards, config.discount)
    for episode, length in enumerate(episodes.lengths().int().tolist()):
        for step in range(length):
            seen = episodes.observations[step, episode]
            expected = torch.tensor(0.0) if agent.value is None else agent.value(seen)
            chosen = torch.log_softmax(agent.policy(seen), -1)[episodes.actions[step, episode]]
            weight = config.discount**step if config.gradient_discount == "kept" else 1.0
            policy = policy - weight * chosen * (returns[step, episode] - expected.detach())
            value = value + (expected - returns[step, episode]) ** 2
            played += 1
    found = {"loss/policy": policy / episodes.alive.shape[1]}
    return found if agent.value is None else found | {"loss/value": value / played}
