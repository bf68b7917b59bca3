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


class InnerStep:
    """The inner loss of the tasks that have something to learn.

    Where no reward was seen all advantages of a task vanish, and with them its loss's derivatives: with sparse
    rewards most of the work of a MAML iteration is for such tasks, and is left out. Everything returned is for all
    tasks, with zeros for the silent ones.
    """

    def __init__(self, layout: Layout, parameters: Tensor, episodes: Episodes, advantages: Tensor) -> None:
        self.tasks, self.parameters = len(parameters), parameters
        self.active = advantages.flatten(1).any(1).nonzero().squeeze(1)
        if len(self.active) < self.tasks:
            episodes = Episodes(*(part[self.active] for part in vars(episodes).values()))
            parameters, advantages = parameters[self.active], advantages[self.active]
        self.loss = inner_loss(layout, parameters, episodes, advantages)

    def spread(self, values: Tensor) -> Tensor:
        """Values of the active tasks, with zeros for the others."""
        if len(values) == self.tasks:
            return values
        return values.new_zeros(self.tasks, *values.shape[1:]).index_copy(0, self.active, values)

    def gradient(self) -> Tensor:
        """(tasks, parameters)."""
        return self.spread(self.loss.gradient())

    def hessian_vector_product(self, direction: Tensor) -> Tensor:
        """Second derivative times `direction`; both (tasks, parameters)."""
        if not len(self.active):  # conjugate gradient asks often
            return torch.zeros_like(direction)
        return self.spread(self.loss.hessian_vector_product(direction[self.active]))

    def weight_move(self, direction: Tensor) -> Tensor:
        """`WeightedLogProbability.weight_move`, (tasks, rows)."""
        return self.spread(self.loss.weight_move(direction[self.active]))


@dataclass(frozen=True)
class Adaptation:
    """A chain of gradient steps, one per batch of training episodes, with what its derivatives need."""

    steps: list[InnerStep]
    adapted: Tensor
    """(tasks, parameters)."""
    fast_lr: float
    first_order: bool

    def forward(self, direction: Tensor) -> Tensor:
        """How the adapted parameters move with the initial ones; both (tasks, parameters)."""
        for step in self.steps if not self.first_order else []:
            direction = direction - self.fast_lr * step.hessian_vector_product(direction)
        return direction

    def backward(self, gradient: Tensor) -> Tensor:
        """A loss's gradient with respect to the adapted parameters, pulled back to the initial ones; same shapes."""
        for step in reversed(self.steps):
            gradient = self.backward_step(step, gradient)
        return gradient

    def backward_step(self, step: InnerStep, gradient: Tensor) -> Tensor:
        """A gradient with respect to the parameters after one step, pulled back to those before it; same shapes."""
        return gradient if self.first_order else gradient - self.fast_lr * step.hessian_vector_product(gradient)

    def advantage_gradients(self, gradient: Tensor) -> list[Tensor]:
        """The same gradient, pulled back to the advantages of each step's episodes: (tasks, time x episodes) each."""
        gradients: list[Tensor] = []
        for step in reversed(self.steps):
            gradients.insert(0, -self.fast_lr * step.weight_move(gradient))
            gradient = self.backward_step(step, gradient)
        return gradients


def adapt(
    layout: Layout,
    parameters: Tensor,
    batches: list[tuple[Episodes, Tensor]],
    fast_lr: float,
    first_order: bool = False,
) -> Adaptation:
    """Take one gradient step per (episodes, advantages) from `parameters` (tasks, parameters)."""
    steps = []
    for episodes, advantages in batches:
        steps.append(InnerStep(layout, parameters, episodes, advantages))
        parameters = parameters - fast_lr * steps[-1].gradient()
    return Adaptation(steps, parameters, fast_lr, first_order)
