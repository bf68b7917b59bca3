"""The intrinsic reward: how much one transition would teach the dynamics model (card 5.5).

For each trajectory an Adam optimiser takes, at each transition, one step from the same parameters; the reward is the
information gained, KL(after || before). Only Adam's moments live on along the trajectory. So the gradients of all
transitions are independent of each other and come out of one batched, closed-form pass, and a scan over time is left
for the moments alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mime.dynamics import DynamicsModel, Noise
from mime.networks import dynamics_layers, is_rho, softplus, tanh
from mime.objectives import normal_kl

ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
MOST_INFORMATION = 1000.0
"""Nats; the intrinsic reward is clipped there."""


@torch.no_grad()
def intrinsic_rewards(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, noise: Noise, step_size: float,
    precision: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """Information gain of each transition in nats, with the last one repeated for the step that has no successor.

    parameters: (tasks, parameters); inputs, targets: (tasks, time - 1, episodes, size); noise: for each layer
    (tasks, time - 1, episodes, samples, units); precision: of the gain's sum, None for the parameters' own. Returns
    (tasks, time, episodes).

    On a CPU the tasks go one after another, which keeps the work within the caches.
    """
    if len(parameters) > 1 and parameters.device.type == "cpu":
        parts = [
            intrinsic_rewards(
                model, parameters[k : k + 1], inputs[k : k + 1], targets[k : k + 1],
                [layer[k : k + 1] for layer in noise], step_size, precision,
            )
            for k in range(len(parameters))
        ]  # fmt: skip
        return torch.cat(parts)
    gradients = log_likelihood_gradients(model, parameters, inputs, targets, noise).neg_()
    gain = information_gain(model, parameters, adam_steps_(gradients, step_size), precision or parameters.dtype)
    return torch.cat([gain, gain[:, -1:]], dim=1).clamp(0.0, MOST_INFORMATION)


def log_likelihood_gradients(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, noise: Noise
) -> Tensor:
    """Gradient of each transition's mean log likelihood over samples; (tasks, time, episodes, parameters).

    Shapes as in `intrinsic_rewards`. Below, "_g" is a gradient; the dimensions are tasks k, time t, episodes b,
    samples s, inputs i and outputs o of a layer.
    """
    layers = [tuple(part[:, None, None] for part in layer) for layer in dynamics_layers(model.layout, parameters)]
    values, passes = inputs[:, :, :, None], []
    for (mu, rho, b_mu, b_rho), epsilon in zip(layers, noise, strict=True):
        variance = values.square() @ softplus(rho).square() + softplus(b_rho).square()[..., None, :]
        sd = variance.sqrt()
        passes.append((values, epsilon / (2 * sd)))  # d output / d variance
        outputs = values @ mu + b_mu[..., None, :] + sd * epsilon
        values = tanh(outputs)
    output_g = (targets[:, :, :, None] - outputs) / (model.likelihood_sd**2 * model.samples)
    gradients = parameters.new_empty(*inputs.shape[:3], model.layout.size)
    named = model.layout.unflatten(gradients)
    for number in reversed(range(len(layers))):
        (mu, rho, _, b_rho), (values, per_variance) = layers[number], passes[number]
        variance_g = output_g * per_variance
        sd, b_sd = softplus(rho), softplus(b_rho)
        write = {
            "mu": summed_outer(values, output_g),
            "b_mu": output_g.sum(3),
            "rho": summed_outer(values.square(), variance_g) * (2 * sd * rho.sigmoid()),
            "b_rho": variance_g.sum(3) * (2 * b_sd * b_rho.sigmoid()),
        }
        for part, gradient in write.items():
            named[f"layers.{number}.{part}"].copy_(gradient)
        if number:
            values_g = output_g @ mu.mT + 2 * values * (variance_g @ sd.square().mT)
            output_g = values_g * (1 - values.square())
    return gradients


def summed_outer(values: Tensor, gradients: Tensor) -> Tensor:
    """Outer products summed over samples: (k,t,b,s or 1,i) and (k,t,b,s,o) -> (k,t,b,i,o)."""
    if values.shape[3] == 1:  # the first layer's inputs are the same for all samples
        return values[:, :, :, 0, :, None] * gradients.sum(3)[..., None, :]
    return values.mT @ gradients


def adam_steps_(gradients: Tensor, step_size: float) -> Tensor:
    """What Adam adds to its parameters at each time, in place of `gradients` (tasks, time, episodes, parameters).

    Every trajectory has moments of its own, which start at zero and are never reset.
    """
    first, second = torch.zeros_like(gradients[:, 0]), torch.zeros_like(gradients[:, 0])
    for time, gradient in enumerate(gradients.unbind(1), start=1):
        first.lerp_(gradient, 1 - ADAM_BETAS[0])
        second.mul_(ADAM_BETAS[1]).addcmul_(gradient, gradient, value=1 - ADAM_BETAS[1])
        unbiased_first, unbiased_second = (1 - beta**time for beta in ADAM_BETAS)
        scale = second.sqrt().mul_(unbiased_second**-0.5).add_(ADAM_EPSILON)
        torch.div(first, scale, out=gradient).mul_(-step_size / unbiased_first)
    return gradients


def information_gain(model: DynamicsModel, parameters: Tensor, steps: Tensor, precision: torch.dtype) -> Tensor:
    """KL(parameters + step || parameters) in nats, (tasks, time, episodes), of the steps' own type.

    parameters: (tasks, parameters); steps: (tasks, time, episodes, parameters); precision: of the sum. A parameter's
    part is smaller than float32's rounding where steps are small beside the prior's spread (ledger 19).
    """
    before, move = model.layout.unflatten(parameters), model.layout.unflatten(steps)
    gain = torch.zeros(steps.shape[:-1], dtype=precision, device=steps.device)
    for name in before:
        if not is_rho(name):
            rho_name = name.replace("mu", "rho")
            rho = before[rho_name].flatten(1)[:, None, None].to(precision)
            sd = softplus(rho + move[rho_name].flatten(3).to(precision))
            gain += normal_kl(move[name].flatten(3).to(precision), sd, 0.0, softplus(rho)).sum(-1)
    return gain.to(steps.dtype)
