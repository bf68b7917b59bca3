"""Believer's networks: history encoder, conditional autoencoder, and the policy's view of a belief (card 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from mi_asym.networks.embedders import GRID_LAYERS, Distinct, ImageEmbedder, Shape
from mi_asym.networks.encoders import BeliefFeatures
from mi_asym.networks.layers import linear
from mi_asym.networks.memories import Carry, Gpt, Gru
from mi_asym.networks.packing import Packing

CONTEXT_WIDTH, LATENT, EMBEDDED = 256, 32, 128
LEAST_SD = 0.1
ROBOT_LAYERS = ((32, 8, 4), (64, 4, 4), (64, 3, 1))
"""(channels, kernel, stride) of each convolution."""


class Context(nn.Module):
    """c: what a history tells, from observations alone."""

    def __init__(self, size: int, shape: Shape | None, kind: str, draw: torch.Generator, rate: float) -> None:
        super().__init__()
        self.observation = belief_embedder(size, shape, draw)
        self.memory = Gpt(EMBEDDED, draw, rate=rate) if kind == "gpt" else Gru(EMBEDDED, 256, draw, layers=3)
        self.mix = layers([self.memory.width + EMBEDDED, CONTEXT_WIDTH], draw, CONTEXT_WIDTH)

    def forward(self, observation: Distinct, packing: Packing, noise: torch.Generator | None) -> Tensor:
        """(rows, 256)"""
        embedded = observation.embedded(self.observation)
        hidden = self.memory([embedded], packing, noise)
        outputs: Tensor = self.mix(torch.cat([hidden, embedded.all], 1))
        return outputs

    def start(self, environments: int) -> Carry:
        return self.memory.start(environments)

    def step(self, observation: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        """(environments, 256) of one more observation."""
        embedded = self.observation(observation)
        hidden, kept = self.memory.step(embedded, carry, noise)
        return self.mix(torch.cat([hidden, embedded], 1)), kept


class ConditionalAutoencoder(nn.Module):
    """q(z | x, c) and p(x | z, c) over the 16 features x of a state."""

    def __init__(self, draw: torch.Generator) -> None:
        super().__init__()
        size = BeliefFeatures.SIZE
        self.encoder = layers([size + CONTEXT_WIDTH, 256, 256], draw, 2 * LATENT)
        self.decoder = layers([LATENT + CONTEXT_WIDTH, 256, 256], draw, 2 * size)

    def encode(self, features: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z, (steps, 32) each."""
        mean, raw = self.encoder(torch.cat([features, context], -1)).chunk(2, -1)
        return mean, standard_deviation(raw)

    def decode(self, latent: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of x, (..., 16) each; the standard deviation is the layer's first half."""
        raw, mean = self.decoder(torch.cat([latent, context], -1)).chunk(2, -1)
        return mean, standard_deviation(raw)


def standard_deviation(raw: Tensor) -> Tensor:
    """At least 0.1; softplus, and the identity from 1 on."""
    return softplus(raw, threshold=1.0) + LEAST_SD


def belief_embedder(size: int, shape: Shape | None, draw: torch.Generator) -> nn.Module:
    """The history encoder's view of an observation, 128 wide, without a ReLU at its end."""
    return image_embedder(shape, draw) if shape else linear(size, EMBEDDED, draw)


def image_embedder(shape: Shape, draw: torch.Generator) -> ImageEmbedder:
    """128 wide; on robots its second convolution goes 4 pixels at a time, twice as far as the policy's."""
    return ImageEmbedder(shape, EMBEDDED, draw, ROBOT_LAYERS if shape[1] > 20 else GRID_LAYERS)


class BeliefEncoder(nn.Module):
    """What heads see of a belief: the mean over samples of each sample's embedding."""

    def __init__(self, width: int, draw: torch.Generator) -> None:
        super().__init__()
        self.width = width
        self.each = nn.Sequential(linear(BeliefFeatures.SIZE, 64, draw), nn.ReLU(), linear(64, 64, draw), nn.ReLU())
        self.all = nn.Sequential(linear(64, 64, draw), nn.ReLU(), linear(64, width, draw))

    def forward(self, samples: Tensor) -> Tensor:
        """(steps, samples, 16) -> (steps, width)."""
        outputs: Tensor = self.all(self.each(samples).mean(1))
        return outputs


def layers(widths: Sequence[int], draw: torch.Generator, outputs: int = 0) -> nn.Sequential:
    """ReLU layers, and a linear one where there are `outputs`."""
    parts: list[nn.Module] = []
    for before, after in pairwise(widths):
        parts += [linear(before, after, draw), nn.ReLU()]
    return nn.Sequential(*parts, *([linear(widths[-1], outputs, draw)] if outputs else []))
