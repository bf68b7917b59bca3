"""The Bayesian dynamics model of one task, chunk by chunk and sample by sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal

from mime.dynamics import DynamicsModel
from mime.networks import Layout


def sd_of(rho: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(rho))


def predict(layout: Layout, parameters: Tensor, inputs: Tensor, epsilons: list[Tensor]) -> Tensor:
    """One noisy forward pass; inputs (rows, in), one noise vector (units,) per layer, shared by the rows."""
    named, values = layout.unflatten(parameters), inputs
    for i, epsilon in enumerate(epsilons):
        mean = values @ named[f"layers.{i}.mu"] + named[f"layers.{i}.b_mu"]
        variance = values**2 @ sd_of(named[f"layers.{i}.rho"]) ** 2 + sd_of(named[f"layers.{i}.b_rho"]) ** 2
        values = mean + torch.sqrt(variance) * epsilon
        if i < len(epsilons) - 1:
            values = torch.tanh(values)
    return values


def kl(layout: Layout, parameters: Tensor, others: Tensor | None, prior_sd: float = 0.0) -> Tensor:
    """KL(parameters || others), or to the prior where `others` is None, with the paper's 1e-8."""
    p, total = layout.unflatten(parameters), torch.zeros(())
    for name in p:
        if name.endswith("mu"):
            mean, sd = p[name], sd_of(p[name.replace("mu", "rho")])
            if others is None:
                other_mean, other_sd = torch.zeros_like(mean), torch.full_like(sd, prior_sd)
            else:
                q = layout.unflatten(others)
                other_mean, other_sd = q[name], sd_of(q[name.replace("mu", "rho")])
            spread = (mean - other_mean) ** 2 + sd**2 - other_sd**2
            total = total + (spread / (2 * other_sd**2 + 1e-8) + torch.log(other_sd) - torch.log(sd)).sum()
    return total


def log_likelihood(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, epsilons: list[Tensor]
) -> Tensor:
    """Mean over samples of the summed log likelihood; epsilons: (samples, units) per layer."""
    total = torch.zeros(())
    for sample in range(model.samples):
        predictions = predict(model.layout, parameters, inputs, [layer[sample] for layer in epsilons])
        total = total + Normal(predictions, model.likelihood_sd).log_prob(targets).sum()
    return total / model.samples


def minibatch_loss(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, epsilons: list[Tensor]
) -> Tensor:
    prior = kl(model.layout, parameters, None, model.prior_sd)
    return prior - log_likelihood(model, parameters, inputs, targets, epsilons)


def inner_loss(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, noise: list[Tensor]
) -> Tensor:
    """Sum over chunks, divided by the rows; inputs (rows, in), noise (chunks, samples, units) per layer."""
    total = torch.zeros(())
    size = model.chunk or len(inputs)
    for number, start in enumerate(range(0, len(inputs), size)):
        chunk = slice(start, start + size)
        epsilons = [layer[number] for layer in noise]
        total = total + minibatch_loss(model, parameters, inputs[chunk], targets[chunk], epsilons)
    return total / len(inputs)


def adapted(
    model: DynamicsModel, parameters: Tensor, train: list[tuple[Tensor, Tensor]], task: int, step_size: float,
    noises: list[list[Tensor]],
) -> Tensor:  # fmt: skip
    """Parameters of one task after a gradient step per training batch, differentiable in `parameters`.

    train: inputs and targets, (tasks, time - 1, episodes, size), of each step; noises: those of each step, for each
    layer (tasks, chunks, samples, units).
    """
    for batch, noise in zip(train, noises, strict=True):
        inputs, targets = (part[task].flatten(0, 1) for part in batch)
        loss = inner_loss(model, parameters, inputs, targets, [layer[task] for layer in noise])
        (gradient,) = torch.autograd.grad(loss, parameters, create_graph=True)
        parameters = parameters - step_size * gradient
    return parameters


def meta_gradient(
    model: DynamicsModel, parameters: Tensor, train: list[tuple[Tensor, Tensor]], valid: tuple[Tensor, Tensor],
    step_size: float, inner_noises: list[list[Tensor]], outer_noise: list[Tensor],
) -> Tensor:  # fmt: skip
    """Gradient of the mean over tasks of the last valid chunk's loss after the differentiable inner steps of each.

    Shapes as in `adapted`; `valid` is one batch.
    """
    start = parameters.detach().clone().requires_grad_()
    objectives = []
    for task in range(len(valid[0])):
        own = adapted(model, start, train, task, step_size, inner_noises)
        inputs, targets = (part[task].flatten(0, 1) for part in valid)
        size = model.chunk or len(inputs)
        last = (len(inputs) - 1) // size * size
        epsilons = [layer[task, 0] for layer in outer_noise]
        objectives.append(minibatch_loss(model, own, inputs[last:], targets[last:], epsilons) / len(inputs))
    return torch.autograd.grad(torch.stack(objectives).mean(), start)[0]
