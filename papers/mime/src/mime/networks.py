"""The Gaussian policy and the Bayesian dynamics model, as functions over flat parameter vectors.

A parameter vector may have a leading dimension for tasks: (tasks, parameters). `Layout` says what stands where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

MIN_LOG_SD = math.log(1e-6)


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a network's parameters, in the order in which they stand in the flat vector."""

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def size(self) -> int:
        """Numbers in the flat vector."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """(..., parameters) -> name -> view of shape (..., *shape)."""
        parts = flat.split([math.prod(shape) for shape in self.shapes.values()], dim=-1)  # type: ignore[no-untyped-call]
        return {name: part.unflatten(-1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def flatten(self, named: Mapping[str, Tensor]) -> Tensor:
        """Name -> (..., *shape), to (..., parameters)."""
        return torch.cat([named[name].flatten(-len(shape)) for name, shape in self.shapes.items()], dim=-1)


# The policy (card 5.1)


def policy_layout(observation_size: int, hidden_sizes: Sequence[int], action_size: int) -> Layout:
    """sigma (log standard deviations), then weight (out, in) and bias of layer1, layer2, ..., mu."""
    shapes: dict[str, tuple[int, ...]] = {"sigma": (action_size,)}
    inputs = observation_size
    for number, units in enumerate(hidden_sizes, start=1):
        shapes |= {f"layer{number}.weight": (units, inputs), f"layer{number}.bias": (units,)}
        inputs = units
    return Layout(shapes | {"mu.weight": (action_size, inputs), "mu.bias": (action_size,)})


def initial_policy(layout: Layout, generator: torch.Generator, defaults_first: bool = False) -> Tensor:
    """Xavier-uniform weights, zero biases, standard deviation 1; (parameters,).

    `defaults_first`: as in the released code, where every layer has drawn PyTorch's own initial weights and biases
    before all weights are drawn again.
    """
    named = {name: torch.zeros(shape) for name, shape in layout.shapes.items()}
    if defaults_first:
        torch.rand(sum(value.numel() for name, value in named.items() if name != "sigma"), generator=generator)
    for name, value in named.items():
        if name.endswith("weight"):
            torch.nn.init.xavier_uniform_(value, generator=generator)
    return layout.flatten(named)


def policy_layers(layout: Layout, parameters: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(weight (..., out, in), bias (..., out)) of each layer, from the observations to the mean."""
    named = layout.unflatten(parameters)
    names = [name.removesuffix(".weight") for name in layout.shapes if name.endswith(".weight")]
    return [(named[f"{name}.weight"], named[f"{name}.bias"]) for name in names]


def policy_log_sd(layout: Layout, parameters: Tensor) -> Tensor:
    """Log standard deviations of the actions, (..., action size), bounded below."""
    return layout.unflatten(parameters)["sigma"].clamp(min=MIN_LOG_SD)


def policy_mean(layout: Layout, parameters: Tensor, observations: Tensor) -> Tensor:
    """Mean actions.

    parameters: (tasks, parameters); observations: (tasks, rows, observation size); returns (tasks, rows, action size).
    """
    *hidden, output = policy_layers(layout, parameters)
    for layer in hidden:
        observations = tanh(affine(layer, observations))
    return affine(output, observations)


def tanh(values: Tensor) -> Tensor:
    """Hyperbolic tangent; on a CPU, where no gradient is recorded, numpy's, several times as fast as torch's."""
    if values.requires_grad or values.device.type != "cpu":
        return values.tanh()
    return torch.from_numpy(np.tanh(values.numpy()))


def affine(layer: tuple[Tensor, Tensor], inputs: Tensor) -> Tensor:
    """inputs (tasks, rows, in) through weight (tasks, out, in) and bias (tasks, out)."""
    weight, bias = layer
    return torch.baddbmm(bias[:, None], inputs, weight.transpose(1, 2))


# The Bayesian dynamics model (card 5.5)


def dynamics_layout(observation_size: int, hidden_sizes: Sequence[int], action_size: int) -> Layout:
    """For each layer mu and rho (in, out), then b_mu and b_rho (out,); standard deviations are ln(1 + e^rho)."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = observation_size + action_size
    for number, units in enumerate([*hidden_sizes, observation_size]):
        shapes |= {f"layers.{number}.{part}": (inputs, units) for part in ("mu", "rho")}
        shapes |= {f"layers.{number}.{part}": (units,) for part in ("b_mu", "b_rho")}
        inputs = units
    return Layout(shapes)


def initial_dynamics(layout: Layout, prior_sd: float, generator: torch.Generator) -> Tensor:
    """Standard normal means, of weights and biases alike, and the prior's standard deviation; (parameters,)."""
    rho = math.log(math.expm1(prior_sd))
    named = {
        name: torch.full(shape, rho) if is_rho(name) else torch.randn(shape, generator=generator)
        for name, shape in layout.shapes.items()
    }
    return layout.flatten(named)


def is_rho(name: str) -> bool:
    """Whether a parameter of the dynamics model stands for a standard deviation rather than a mean."""
    return name.endswith("rho")


def dynamics_units(layout: Layout) -> list[int]:
    """Units of each layer, which is how many noise numbers its forward pass takes."""
    return [shape[0] for name, shape in layout.shapes.items() if name.endswith("b_mu")]


def dynamics_layers(layout: Layout, parameters: Tensor) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """(mu, rho, b_mu, b_rho) of each layer, with the leading dimensions of `parameters`."""
    named = layout.unflatten(parameters)
    return [
        (named[f"layers.{i}.mu"], named[f"layers.{i}.rho"], named[f"layers.{i}.b_mu"], named[f"layers.{i}.b_rho"])
        for i in range(len(dynamics_units(layout)))
    ]


def softplus(rho: Tensor) -> Tensor:
    """ln(1 + e^rho), the standard deviation that rho stands for."""
    return torch.nn.functional.softplus(rho)


def dynamics_predictions(layout: Layout, parameters: Tensor, inputs: Tensor, noise: Sequence[Tensor]) -> Tensor:
    """Next observations, with each layer's weights sampled by local reparametrisation.

    parameters: (tasks, parameters); inputs: observation and action, (tasks, chunks, rows, in); noise: for each layer
    (tasks, chunks, samples, units), shared by the rows of a chunk. Returns (tasks, chunks, samples, rows, out).
    Source: Kingma et al. 2015; card 5.5.
    """
    layers = dynamics_layers(layout, parameters)
    values = inputs[:, :, None]
    for number, ((mu, rho, b_mu, b_rho), epsilon) in enumerate(zip(layers, noise, strict=True)):
        mean = torch.einsum("kcsni,kio->kcsno", values, mu) + b_mu[:, None, None, None]
        variance = torch.einsum("kcsni,kio->kcsno", values.square(), softplus(rho).square())
        sd = (variance + softplus(b_rho).square()[:, None, None, None]).sqrt()
        values = mean + sd * epsilon[:, :, :, None]
        if number < len(layers) - 1:
            values = values.tanh()
    return values
