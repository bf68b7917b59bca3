"""The inner loop and its derivatives: how adapted parameters depend on the initial ones and on eta (card 5.3, 5.6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mime.curvature import PolicyPass, WeightedLogProbability
from mime.networks import Layout
from mime.rollout import Episodes, rows


def inner_loss(layout: Layout, parameters: Tensor, episodes: Episodes, advantages: Tensor) -> WeightedLogProbability:
    """The policy-gradient loss of each task; parameters: (tasks, parameters), advantages: (tasks, time, episodes)."""
    policy = PolicyPass(layout, parameters, rows(episodes.observations))
    return WeightedLogProbability(policy, rows(episodes.actions), rows(advantages))


@dataclass(frozen=True)
class Adaptation:
    """A chain of gradient steps, one per batch of training episodes, with what its derivatives need."""

    losses: list[WeightedLogProbability]
    adapted: Tensor
    """(tasks, parameters)."""
    fast_lr: float
    first_order: bool

    def forward(self, direction: Tensor) -> Tensor:
        """How the adapted parameters move with the initial ones; both (tasks, parameters)."""
        for loss in self.losses if not self.first_order else []:
            direction = direction - self.fast_lr * loss.hessian_vector_product(direction)
        return direction

    def backward(self, gradient: Tensor) -> tuple[Tensor, list[Tensor]]:
        """A loss's gradient with respect to the adapted parameters, pulled back through the chain.

        Returns its gradient with respect to the initial parameters, (tasks, parameters), and with respect to the
        advantages of each step's episodes, (tasks, time x episodes) each.
        """
        advantage_gradients: list[Tensor] = []
        for loss in reversed(self.losses):
            advantage_gradients.insert(0, -self.fast_lr * loss.weight_move(gradient))
            if not self.first_order:
                gradient = gradient - self.fast_lr * loss.hessian_vector_product(gradient)
        return gradient, advantage_gradients


def adapt(
    layout: Layout, parameters: Tensor, batches: list[tuple[Episodes, Tensor]], fast_lr: float, first_order: bool = False
) -> Adaptation:
    """Take one gradient step per (episodes, advantages) from `parameters` (tasks, parameters)."""
    losses = []
    for episodes, advantages in batches:
        losses.append(inner_loss(layout, parameters, episodes, advantages))
        parameters = parameters - fast_lr * losses[-1].gradient()
    return Adaptation(losses, parameters, fast_lr, first_order)
