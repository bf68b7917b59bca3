"""Networks, and nothing of losses. Parameters as one vector: torch.nn.utils.parameters_to_vector and its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

FIRST_LOGITS = 0.01
"""Of the size that a plain layer would give: a policy begins with nearly even chances (ours)."""


class Policy(nn.Module):
    """Observations (..., size) -> logits of the actions (..., actions)."""

    def __init__(self, size: int, hidden_sizes: Sequence[int], actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = layers([size, *hidden_sizes, actions], generator, FIRST_LOGITS)

    def forward(self, observations: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers(observations)
        return logits


class Value(nn.Module):
    """Observations (..., size) -> the return that is expected from there on, (...)."""

    def __init__(self, size: int, hidden_sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.layers = layers([size, *hidden_sizes, 1], generator, 1.0)

    def forward(self, observations: Tensor) -> Tensor:
        """Values."""
        values: Tensor = self.layers(observations)
        return values.squeeze(-1)


def layers(sizes: Sequence[int], generator: torch.Generator, last_gain: float) -> nn.Sequential:
    """Fully connected layers with tanh between; weights after Glorot, the last layer's times `last_gain`; biases 0."""
    stack: list[nn.Module] = []
    for inputs, units in pairwise(sizes):
        layer = nn.Linear(inputs, units)
        gain = last_gain if len(stack) == 2 * (len(sizes) - 2) else 1.0
        nn.init.xavier_uniform_(layer.weight, gain, generator=generator)
        nn.init.zeros_(layer.bias)
        stack += [layer, nn.Tanh()]
    return nn.Sequential(*stack[:-1])


def count(network: nn.Module) -> int:
    """Numbers in a network's parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
