"""Values: double-Q targets, soft values, and squared errors over the transitions of a batch."""

from __future__ import annotations

from torch import Tensor


def bootstrapped(rewards: Tensor, terminals: Tensor, next_values: Tensor, discount: float) -> Tensor:
    """r + discount (1 - d) V(next); all of shape (transitions,). Source: card 5.4."""
    return rewards + discount * (1.0 - terminals) * next_values


def double_q(online: Tensor, target: Tensor) -> Tensor:
    """The target network's value of the online network's best action; both (transitions, actions). Source: card 5.4."""
    return target.gather(1, online.argmax(1, keepdim=True)).squeeze(1)


def mean_squared_error(values: Tensor, targets: Tensor) -> Tensor:
    """Squared error per transition; (transitions,) or, summed over actions, (transitions, actions)."""
    return (values - targets).square().sum() / len(values)
