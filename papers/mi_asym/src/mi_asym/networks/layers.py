"""Layers by how the original initialises them, each drawn from a generator that is passed in (card 5.2, 5.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

LAST_BOUND = 3e-3
"""The last layer of a head starts uniform within this bound; a policy's within 1e-3 (card 5.3)."""
POLICY_BOUND = 1e-3


def uniform(layer: nn.Linear | nn.Conv2d, weight_bound: float, bias_bound: float, draw: torch.Generator) -> None:
    """Draw a layer's weights, then its biases, uniformly within the bounds."""
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.uniform_(-weight_bound, weight_bound, generator=draw)
        layer.bias.uniform_(-bias_bound, bias_bound, generator=draw)


def empty_linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose parameters are not yet drawn, so that no global generator is touched."""
    return nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")


def empty_convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    """As `empty_linear`."""
    return nn.Conv2d(inputs, outputs, kernel, stride, device="meta").to_empty(device="cpu")


def linear(inputs: int, outputs: int, draw: torch.Generator) -> nn.Linear:
    """PyTorch's default: weights and biases uniform within 1/sqrt(inputs)."""
    layer = empty_linear(inputs, outputs)
    uniform(layer, 1 / math.sqrt(inputs), 1 / math.sqrt(inputs), draw)
    return layer


def wide_linear(inputs: int, outputs: int, draw: torch.Generator) -> nn.Linear:
    """Weights uniform within 1/sqrt(outputs), biases 0.1 (ledger 11: the original takes outputs for inputs)."""
    layer = empty_linear(inputs, outputs)
    uniform(layer, 1 / math.sqrt(outputs), 0.0, draw)
    nn.init.constant_(layer.bias, 0.1)
    return layer


def last_linear(inputs: int, outputs: int, bound: float, draw: torch.Generator) -> nn.Linear:
    """The last layer of a head: weights and biases uniform within `bound`."""
    layer = empty_linear(inputs, outputs)
    uniform(layer, bound, bound, draw)
    return layer


def convolution(inputs: int, outputs: int, kernel: int, stride: int, draw: torch.Generator) -> nn.Conv2d:
    """PyTorch's default: uniform within 1/sqrt(inputs of one output)."""
    layer = empty_convolution(inputs, outputs, kernel, stride)
    bound = 1 / math.sqrt(inputs * kernel * kernel)
    uniform(layer, bound, bound, draw)
    return layer


def head(
    inputs: int, hidden: Sequence[int], outputs: int, draw: torch.Generator, bound: float = LAST_BOUND
) -> nn.Sequential:
    """ReLU layers and a small last one: Q values, policies, reconstructor, latent model (card 5.3)."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [wide_linear(before, after, draw), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, last_linear(widths[-1], outputs, bound, draw))


def dropout(values: Tensor, rate: float, noise: torch.Generator | None) -> Tensor:
    """Dropout from a generator that is passed in; off where there is none."""
    if noise is None or rate == 0.0:
        return values
    return values * kept_or_not(values.shape, rate, noise).mul_(1.0 / (1.0 - rate))


def kept_or_not(shape: Sequence[int], rate: float, noise: torch.Generator) -> Tensor:
    """Ones, and zeros with probability `rate` (on the CPU in steps of 1/65,536, as 16 bits are drawn for each)."""
    if noise.device.type != "cpu":
        return torch.empty(*shape, device=noise.device).bernoulli_(1.0 - rate, generator=noise)
    seed = int(torch.randint(2**62, (), generator=noise))
    bits = np.random.Generator(np.random.SFC64(seed)).bytes(2 * math.prod(shape))
    drawn = torch.from_numpy(np.frombuffer(bits, dtype=np.int16).reshape(shape) >= round(rate * 65_536) - 32_768)
    return drawn.to(torch.float32)


def parameter_count(*modules: nn.Module | None) -> int:
    """Numbers in the parameters of modules; those that are absent count nothing."""
    return sum(parameter.numel() for module in modules if module for parameter in module.parameters())
