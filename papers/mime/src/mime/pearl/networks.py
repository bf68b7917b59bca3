"""PEARL's networks: multilayer perceptrons with ReLU (card 5.9)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

HIDDEN_BIAS = 0.1
"""Initial biases of the hidden layers."""
OUTPUT_SCALE = 3e-3
"""Bound of the initial weights and biases of an output layer."""
POLICY_OUTPUT_SCALE = 1e-3
"""The same of the policy's, which therefore begins near the middle of its actions with standard deviation 1."""
LOG_SD_BOUNDS = (-20.0, 2.0)
HIDDEN_LAYERS = 3


def perceptron(
    inputs: int, units: int, outputs: int, generator: torch.Generator, output_scale: float = OUTPUT_SCALE
) -> nn.Sequential:
    """Three hidden ReLU layers and a small output, initialised as in the public implementation of PEARL.

    Hidden weights are uniform within 1 / sqrt(units of the layer): the first dimension of the stored matrix, which is
    the outputs, is taken for the inputs.
    """
    sizes, layers = [inputs, *[units] * HIDDEN_LAYERS], list[nn.Module]()
    for before, after in pairwise(sizes):
        hidden = linear(before, after, 1 / math.sqrt(after), generator)
        nn.init.constant_(hidden.bias, HIDDEN_BIAS)
        layers += [hidden, nn.ReLU()]
    output = linear(units, outputs, output_scale, generator)
    nn.init.uniform_(output.bias, -output_scale, output_scale, generator=generator)
    return nn.Sequential(*layers, output)


def linear(inputs: int, outputs: int, bound: float, generator: torch.Generator) -> nn.Linear:
    """A layer whose weights are uniform within `bound`; its biases are still to be set."""
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    return layer


class Scalar(nn.Module):
    """A function of concatenated inputs with one number as its value: Q(s, a, z) or V(s, z)."""

    def __init__(self, inputs: int, units: int, generator: torch.Generator) -> None:
        super().__init__()
        self.body = perceptron(inputs, units, 1, generator)

    def forward(self, *inputs: Tensor) -> Tensor:
        """(..., size) each -> (...)."""
        value: Tensor = self.body(torch.cat(inputs, dim=-1)).squeeze(-1)
        return value


class Policy(nn.Module):
    """pi(a|s, z): a normal distribution squashed by tanh into [-1, 1]."""

    def __init__(self, inputs: int, units: int, actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.body = perceptron(inputs, units, 2 * actions, generator, POLICY_OUTPUT_SCALE)

    def forward(self, observations: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before tanh, (..., actions) each."""
        mean, log_sd = self.body(torch.cat([observations, latent], dim=-1)).chunk(2, dim=-1)
        return mean, log_sd.clamp(*LOG_SD_BOUNDS)


class ContextEncoder(nn.Module):
    """q(z|c): each context transition gives a factor, a normal distribution over z."""

    def __init__(self, inputs: int, units: int, latent: int, generator: torch.Generator) -> None:
        super().__init__()
        self.body = perceptron(inputs, units, 2 * latent, generator)

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """(..., inputs) -> mean and, before softplus, variance of each factor, (..., latent) each."""
        mean, variance = self.body(context).chunk(2, dim=-1)
        return mean, variance
