"""Returns and losses, as pure functions of tensors (time, episodes); `alive` is 1 where a step was played, else 0."""

from __future__ import annotations

import torch
from torch import Tensor


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """The discounted sum of rewards from each step on: (time, episodes) -> (time, episodes).

    One product with a triangular matrix of powers instead of a loop over time. Source: card 5.1.
    """
    steps = torch.arange(len(rewards), device=rewards.device)
    ahead = steps - steps[:, None]
    powers = torch.where(ahead >= 0, discount ** ahead.clamp(min=0).to(rewards.dtype), 0)
    return powers @ rewards


def step_weights(alive: Tensor, discount: float, gradient_discount: str) -> Tensor:
    """What a step counts in the gradient, (time, episodes): 1 or, where `kept`, gamma^t; 0 once an episode is over."""
    if gradient_discount == "left_out":
        return alive
    steps = torch.arange(len(alive), device=alive.device)
    return alive * (discount ** steps.to(alive.dtype))[:, None]


def log_probabilities(logits: Tensor, actions: Tensor) -> Tensor:
    """Of the actions taken: logits (time, episodes, actions), actions (time, episodes) -> (time, episodes)."""
    return torch.log_softmax(logits, -1).gather(-1, actions[..., None]).squeeze(-1)


def policy_loss(chosen: Tensor, advantages: Tensor, weights: Tensor) -> Tensor:
    """Its gradient is REINFORCE's: minus the weighted sum over an episode's steps, mean over episodes.

    chosen: log probabilities of the actions taken; advantages: no gradient passes them. All (time, episodes).
    Source: Williams 1992; card 5.2.
    """
    return -(weights * chosen * advantages.detach()).sum(0).mean()


def value_loss(values: Tensor, returns: Tensor, alive: Tensor) -> Tensor:
    """Mean squared error over the steps that were played. Source: card 5.3."""
    return (alive * (values - returns).square()).sum() / alive.sum()


def entropy(logits: Tensor, alive: Tensor) -> Tensor:
    """Of the policy, in nats, mean over the steps that were played; told and not learnt from."""
    logs = torch.log_softmax(logits, -1)
    return -(alive * (logs.exp() * logs).sum(-1)).sum() / alive.sum()
