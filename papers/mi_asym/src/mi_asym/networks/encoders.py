"""Stage 2's networks: encoders of states and observations, their sub-encoders, dynamics and the CLUB estimator."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, relu

from mi_asym.networks.embedders import Shape
from mi_asym.networks.layers import empty_convolution, linear, wide_linear

FEATURES = 32
"""Width of z_s and z_o (card 2.5)."""
ACTION_WIDTH = 16


@dataclass(frozen=True)
class Block:
    """A convolution of an encoder: channels, kernel, stride, and whether a 2x2 maximum follows."""

    channels: int
    kernel: int
    stride: int
    pool: bool


BLOCKS = {
    "sphinx": (Block(64, 2, 1, False), Block(128, 2, 1, True), Block(256, 2, 1, False)),
    "carflag_2d": (Block(64, 2, 1, True), Block(128, 2, 1, True), Block(256, 2, 1, False)),
    "robot": (Block(32, 8, 4, False), Block(64, 4, 4, False), Block(64, 3, 1, False)),
}


class Encoder(nn.Module):
    """phi or psi: an input -> 32 features; its first block is what the sub-encoder starts from.

    Vectors go through three linear layers, images through three convolutions and a linear layer (card 5.2).
    """

    WIDTH = FEATURES

    def __init__(self, size: int, shape: Shape | None, blocks: tuple[Block, ...], draw: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        if shape is None:
            self.first: nn.Module = nn.Sequential(wide_linear(size, 128, draw), nn.ReLU())
            self.rest: nn.Module = rest_of_vector_encoder(draw)
        else:
            self.first = block_layer(shape[0], blocks[0], draw)
            self.rest = rest_of_image_encoder(shape, blocks, draw)

    def activate(self, inputs: Tensor) -> Tensor:
        """The first activation."""
        outputs: Tensor = self.first(inputs if self.shape is None else inputs.view(len(inputs), *self.shape))
        return outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """(inputs, size) -> (inputs, 32)."""
        outputs: Tensor = self.rest(self.activate(inputs))
        return outputs


def sub_encoder(shape: Shape | None, blocks: tuple[Block, ...], draw: torch.Generator) -> nn.Module:
    """An encoder without its first block, with weights of its own."""
    return rest_of_vector_encoder(draw) if shape is None else rest_of_image_encoder(shape, blocks, draw)


def rest_of_vector_encoder(draw: torch.Generator) -> nn.Module:
    return nn.Sequential(wide_linear(128, 128, draw), nn.ReLU(), wide_linear(128, FEATURES, draw))


def rest_of_image_encoder(shape: Shape, blocks: tuple[Block, ...], draw: torch.Generator) -> nn.Module:
    layers: list[nn.Module] = []
    side = side_after(shape[1], blocks[0])
    for before, block in pairwise(blocks):
        layers.append(block_layer(before.channels, block, draw))
        side = side_after(side, block)
    return nn.Sequential(*layers, nn.Flatten(), wide_linear(blocks[-1].channels * side * side, FEATURES, draw))


def block_layer(inputs: int, block: Block, draw: torch.Generator) -> nn.Sequential:
    layer = empty_convolution(inputs, block.channels, block.kernel, block.stride)
    nn.init.xavier_uniform_(layer.weight, generator=draw)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU(), *([nn.MaxPool2d(2)] if block.pool else []))


def side_after(side: int, block: Block) -> int:
    """Rows (and columns) of a square image behind a block."""
    side = (side - block.kernel) // block.stride + 1
    return side // 2 if block.pool else side


class Dynamics(nn.Module):
    """Both next features and the reward, from the mean of both features and the action (card 5.2)."""

    def __init__(self, action_size: int, hidden: int, draw: torch.Generator) -> None:
        super().__init__()
        self.action = linear(action_size, ACTION_WIDTH, draw)
        widths = [FEATURES + ACTION_WIDTH, hidden, hidden, hidden]
        self.trunk = nn.ModuleList(linear(*pair, draw) for pair in pairwise(widths))
        self.next_state = linear(hidden, FEATURES, draw)
        self.next_observation = linear(hidden, FEATURES, draw)
        self.reward = linear(hidden, 1, draw)

    def forward(self, state: Tensor, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, 32), (batch, 32), (batch, action size) -> next z_s and z_o (batch, 32), reward (batch,)."""
        hidden = torch.cat([(state + observation) / 2, self.action(action)], 1)
        for layer in self.trunk:
            hidden = relu(layer(hidden))
        return self.next_state(hidden), self.next_observation(hidden), self.reward(hidden)[:, 0]


class SharedInformation(nn.Module):
    """CLUB's q(z_o | z_s): a normal with learnt mean and log variance (card 5.2, 9.3)."""

    def __init__(self, features: int, draw: torch.Generator) -> None:
        super().__init__()
        self.mean = nn.ModuleList(wide_linear(features, features, draw) for _ in range(2))
        self.log_variance = nn.ModuleList(wide_linear(features, features, draw) for _ in range(2))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, features) -> mean and log variance of the observation's features."""
        mean = self.mean[1](elu(self.mean[0](state)))
        return mean, torch.tanh(self.log_variance[1](elu(self.log_variance[0](state))))


class BeliefFeatures(nn.Module):
    """Believer's representation of a state: mean and standard deviation of 16 features (card 5.7)."""

    SIZE = 16

    def __init__(self, size: int, embedder: nn.Module | None, draw: torch.Generator) -> None:
        super().__init__()
        self.embedder = embedder
        self.layers = nn.Sequential(
            linear(size if embedder is None else 128, 128, draw), nn.ReLU(), linear(128, 128, draw), nn.ReLU(),
            linear(128, 2 * self.SIZE, draw),
        )  # fmt: skip

    def distribution(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(states, size) -> mean and standard deviation, (states, 16) each."""
        mean, raw = self.layers(states if self.embedder is None else self.embedder(states)).chunk(2, -1)
        return mean, nn.functional.softplus(raw, threshold=1.0) + 1e-5

    def forward(self, states: Tensor) -> Tensor:
        """The mean alone."""
        return self.distribution(states)[0]
