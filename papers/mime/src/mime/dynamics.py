"""How the Bayesian dynamics model is adapted to a task and meta-learned (card 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mime.networks import Layout, dynamics_predictions, dynamics_units, is_rho, softplus
from mime.objectives import gaussian_log_likelihood, normal_kl
from mime.rollout import Episodes, rows

CHUNK = 128
"""Transitions per minibatch as released."""

Noise = list[Tensor]
"""For each layer standard normal numbers, (tasks, chunks, samples, units)."""
Draw = Callable[[str, int], Noise]
"""(purpose, chunks) -> fresh noise."""


@dataclass(frozen=True)
class DynamicsModel:
    """The constants of the Bayesian network; its parameters are passed to every function."""

    layout: Layout
    prior_sd: float
    likelihood_sd: float = 0.1
    samples: int = 3
    chunk: int = CHUNK
    """Transitions per minibatch; 0 takes all at once."""

    def noise_shapes(self, *leading: int) -> list[tuple[int, ...]]:
        """Shape of each layer's noise: (*leading, units)."""
        return [(*leading, units) for units in dynamics_units(self.layout)]

    def chunks_of(self, transitions: int) -> int:
        """How many minibatches `transitions` rows make."""
        return -(-transitions // (self.chunk or transitions))


def transitions(episodes: Episodes, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Observation and unclipped action, and the next observation, of which the first `size` numbers are seen.

    (tasks, time - 1, episodes, size + action size) and (tasks, time - 1, episodes, size).
    """
    observations = episodes.observations[..., :size]
    return torch.cat([observations, episodes.actions], dim=-1)[:, :-1], observations[:, 1:]


def prior_kl(model: DynamicsModel, parameters: Tensor) -> Tensor:
    """KL divergence of the weights' distribution to the prior, in nats: (tasks, parameters) -> (tasks,)."""
    named = model.layout.unflatten(parameters)
    prior_sd = parameters.new_tensor(model.prior_sd)
    parts = [
        normal_kl(mean, softplus(named[name.replace("mu", "rho")]), 0.0, prior_sd).flatten(1).sum(1)
        for name, mean in named.items()
        if not is_rho(name)
    ]
    return torch.stack(parts).sum(0)


def minibatch_losses(model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, noise: Noise) -> Tensor:
    """KL to the prior minus the mean over samples of the summed log likelihood; (tasks, chunks).

    inputs, targets: (tasks, chunks, rows, size). Source: card 5.5.
    """
    predictions = dynamics_predictions(model.layout, parameters, inputs, noise)
    log_likelihood = gaussian_log_likelihood(targets[:, :, None], predictions, model.likelihood_sd)
    return prior_kl(model, parameters)[:, None] - log_likelihood.sum(-1).mean(-1)


def inner_loss(model: DynamicsModel, parameters: Tensor, batch: tuple[Tensor, Tensor], noise: Noise) -> Tensor:
    """Sum of the minibatch losses over the number of transitions; (tasks,).

    batch: `transitions` of training episodes, flattened time-major. The last minibatch may be shorter.
    """
    inputs, targets = (rows(part) for part in batch)
    number = inputs.shape[1]
    size = model.chunk or number
    whole = number // size
    losses = torch.zeros(len(inputs), device=inputs.device, dtype=inputs.dtype)
    for start, stop, first, last in ((0, whole * size, 0, whole), (whole * size, number, whole, whole + 1)):
        if stop > start:
            part = [in_chunks(values[:, start:stop], last - first) for values in (inputs, targets)]
            losses = losses + minibatch_losses(
                model, parameters, part[0], part[1], [layer[:, first:last] for layer in noise]
            ).sum(1)
    return losses / number


def in_chunks(values: Tensor, chunks: int) -> Tensor:
    """(tasks, rows, size) -> (tasks, chunks, rows / chunks, size)."""
    return values.reshape(len(values), chunks, -1, values.shape[-1])


def adapt_dynamics(
    model: DynamicsModel, parameters: Tensor, batch: tuple[Tensor, Tensor], noise: Noise, step_size: float,
    differentiable: bool = False,
) -> Tensor:  # fmt: skip
    """One gradient step per task on `inner_loss`; (tasks, parameters) -> (tasks, parameters)."""
    with torch.enable_grad():
        start = parameters if differentiable else parameters.detach().requires_grad_()
        loss = inner_loss(model, start, batch, noise).sum()
        (gradient,) = torch.autograd.grad(loss, start, create_graph=differentiable)
        adapted = start - step_size * gradient
    return adapted if differentiable else adapted.detach()


def outer_loss(model: DynamicsModel, parameters: Tensor, batch: tuple[Tensor, Tensor], noise: Noise) -> Tensor:
    """Loss of the last minibatch over the number of all transitions, as released (ledger 2); (tasks,).

    With `chunk` = 0 the last minibatch is the whole batch.
    """
    inputs, targets = (rows(part) for part in batch)
    number = inputs.shape[1]
    start = (model.chunks_of(number) - 1) * (model.chunk or number)
    return minibatch_losses(model, parameters, inputs[:, None, start:], targets[:, None, start:], noise)[:, 0] / number


def meta_gradient(
    model: DynamicsModel, parameters: Tensor, train: list[tuple[Tensor, Tensor]], valid: tuple[Tensor, Tensor],
    step_size: float, draw: Draw,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradient, (parameters,), of the mean outer loss after adaptation, and the adapted parameters (tasks, parameters).

    Differentiates through the adaptation. `train` holds one batch of transitions per inner step.
    """
    with torch.enable_grad():
        start = parameters.detach().requires_grad_()
        adapted = start.expand(len(valid[0]), -1)
        for step, batch in enumerate(train):
            noise = draw(f"inner {step}", model.chunks_of(rows(batch[0]).shape[1]))
            adapted = adapt_dynamics(model, adapted, batch, noise, step_size, differentiable=True)
        objective = outer_loss(model, adapted, valid, draw("outer", 1)).mean()
        (gradient,) = torch.autograd.grad(objective, start)
    return gradient, adapted.detach()


def first_adam_step(gradient: Tensor, step_size: float) -> Tensor:
    """What an Adam optimiser that was made this moment adds to the parameters: the sign of the gradient, in effect."""
    return -step_size * gradient / (gradient.abs() + 1e-8)


def prediction_error(model: DynamicsModel, parameters: Tensor, batch: tuple[Tensor, Tensor], noise: Noise) -> float:
    """Mean squared error of one noisy prediction, over all transitions and tasks; noise: one chunk, one sample."""
    inputs, targets = (rows(part)[:, None] for part in batch)
    predictions = dynamics_predictions(model.layout, parameters, inputs, noise)[:, :, 0]
    return float((predictions - targets).square().mean())
