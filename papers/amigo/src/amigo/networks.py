"""The paper's networks: student, teacher, and the pair whose disagreement is novelty (card 5.1, 5.2, 5.7)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from amigo.convolutions import ConvolutionStack, Prepared
from amigo.envs.codes import AGENT
from amigo.envs.tasks import NUM_ACTIONS

STUDENT_CHANNELS = (32, 32, 32, 32, 32)
TEACHER_CHANNELS = (16, 16, 16, 1)
CARRIED_FEATURES = 8
"""Embedded carried object (5) and colour (3)."""
LOCATION_FEATURES = 10
NOVELTY_FEATURES = 128
LstmState = tuple[Tensor, Tensor]


class PolicyOutput(NamedTuple):
    """What a student says of states."""

    logits: Tensor
    values: Tensor
    state: LstmState | None = None


@dataclass(frozen=True)
class GridSize:
    """The grid that a network is made for, in cells."""

    width: int
    height: int

    @property
    def cells(self) -> int:
        return self.width * self.height


class Student(nn.Module):
    """The policy: five stride-2 convolutions, the carried thing, two layers, optionally an LSTM, two heads (card 5.2).

    `with_goal` adds the goal's one-hot channel. Two embedding tables, of the agent's location and of the goal, are
    parameters of the original's that nothing uses; they are kept so that parameters can be exchanged.
    """

    def __init__(self, size: GridSize, hidden: int, with_goal: bool, lstm_layers: int, seed: torch.Generator) -> None:
        super().__init__()
        self.stack = ConvolutionStack(size.width, size.height, STUDENT_CHANNELS, 2, with_goal)
        self.location = nn.Embedding(size.cells + 1, LOCATION_FEATURES)
        self.goal = nn.Embedding(size.cells + 1, LOCATION_FEATURES) if with_goal else None
        self.hidden = nn.ModuleList(
            [nn.Linear(STUDENT_CHANNELS[-1] + CARRIED_FEATURES, hidden), nn.Linear(hidden, hidden)]
        )
        self.lstm = nn.LSTM(hidden, hidden, lstm_layers) if lstm_layers else None
        self.policy, self.baseline = nn.Linear(hidden, NUM_ACTIONS), nn.Linear(hidden, 1)
        initialise(self, seed)

    def forward(
        self,
        frames: Tensor,
        carried: tuple[Tensor, Tensor],
        goals: Tensor | None,
        done: Tensor,
        state: LstmState | None = None,
        prepared: Prepared | None = None,
    ) -> PolicyOutput:
        """frames (T, B, W, H, 3) uint8, carried object and colour (T, B), goals (T, B) or None, done (T, B).

        Returns logits (T, B, actions) and values (T, B). `state`: the LSTM's, zeroed wherever `done`.
        """
        time, batch = frames.shape[:2]
        chosen = goals.flatten() if self.stack.with_goal and goals is not None else None
        features = self.stack(frames.flatten(0, 1), chosen, prepared)
        x = torch.cat([features, *carried_features(self.stack, carried)], 1)
        for layer in self.hidden:
            x = functional.relu(layer(x))
        if self.lstm is not None:
            assert state is not None
            x, state = self.remember(self.lstm, x.view(time, batch, -1), done, state)
        return PolicyOutput(self.policy(x).view(time, batch, -1), self.baseline(x).view(time, batch), state)

    @staticmethod
    def remember(lstm: nn.LSTM, x: Tensor, done: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """The LSTM over (T, B, hidden), forgetting where an episode begins: (T * B, hidden) and the last state."""
        outputs = []
        for features, ended in zip(x, done, strict=True):
            keep = (~ended).to(features).view(1, -1, 1)
            output, state = lstm(features[None], (state[0] * keep, state[1] * keep))
            outputs.append(output)
        return torch.cat(outputs).flatten(0, 1), state


class Teacher(nn.Module):
    """Names a goal: four convolutions over the whole grid give a logit a cell, which the baseline reads (card 5.1).

    ELU follows the last convolution too, so that logits are above -1.
    """

    def __init__(self, size: GridSize, aligned: bool, seed: torch.Generator) -> None:
        """`aligned`: logit k is of the cell that goal k means; otherwise, as released, of position (k // W, k % W)."""
        super().__init__()
        self.size, self.aligned = size, aligned
        self.stack = ConvolutionStack(size.width, size.height, TEACHER_CHANNELS, 1, with_goal=False)
        self.baseline = nn.Linear(size.cells, 1)
        orthogonal(self.baseline, 1.0, seed)
        for name in self.stack.embeddings:
            nn.init.normal_(self.stack.embedding(name), generator=seed)
        for weight, bias in self.stack.convolution_parameters:
            bound = 1 / math.sqrt(weight[0].numel())
            nn.init.uniform_(weight, -bound, bound, generator=seed)
            nn.init.uniform_(bias, -bound, bound, generator=seed)

    def forward(self, frames: Tensor, prepared: Prepared | None = None) -> PolicyOutput:
        """frames (N, W, H, 3) uint8 -> logits (N, W * H) over goals and values (N,)."""
        logits = self.stack(frames, None, prepared)
        values = self.baseline(logits).squeeze(-1)
        if self.aligned:
            logits = logits.view(-1, self.size.height, self.size.width).transpose(1, 2).flatten(1)
        return PolicyOutput(logits, values)


class NoveltyNetwork(nn.Module):
    """Target or predictor of the novelty bonus: the student's convolutions, the agent's place, what is carried."""

    def __init__(self, size: GridSize, seed: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.stack = ConvolutionStack(size.width, size.height, STUDENT_CHANNELS, 2, with_goal=False)
        self.location = nn.Embedding(size.cells + 1, LOCATION_FEATURES)
        inputs = STUDENT_CHANNELS[-1] + LOCATION_FEATURES + CARRIED_FEATURES
        sizes = (inputs, NOVELTY_FEATURES, NOVELTY_FEATURES)
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        initialise(self, seed)

    def forward(self, frames: Tensor, carried: tuple[Tensor, Tensor]) -> Tensor:
        """frames (T, B, W, H, 3) uint8, carried object and colour (T, B) -> (T, B, 128)."""
        flat = frames.flatten(0, 1)
        places = (flat[..., 0] == AGENT).flatten(1).int().argmax(1)
        x = torch.cat([self.stack(flat), self.location(places), *carried_features(self.stack, carried)], 1)
        for layer in self.hidden:
            x = functional.relu(layer(x))
        return x.view(*frames.shape[:2], -1)


def carried_features(stack: ConvolutionStack, carried: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The carried object's and colour's embeddings, (N, 5) and (N, 3), from the tables that the cells use."""
    return [
        functional.embedding(what.flatten().long(), stack.embedding(name))
        for name, what in zip(("object", "colour"), carried, strict=True)
    ]


def initialise(network: Student | NoveltyNetwork, seed: torch.Generator) -> None:
    """Embeddings N(0, 1); matrices orthogonal with gain sqrt 2, heads with gain 1; biases 0; LSTM uniform (5.2)."""
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, generator=seed)
        elif isinstance(module, nn.Conv2d):
            orthogonal(module, math.sqrt(2), seed)
        elif isinstance(module, nn.LSTM):
            bound = 1 / math.sqrt(module.hidden_size)
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=seed)
    for layer in network.hidden:
        orthogonal(cast(nn.Linear, layer), math.sqrt(2), seed)
    if isinstance(network, Student):
        orthogonal(network.policy, 1.0, seed)
        orthogonal(network.baseline, 1.0, seed)


def orthogonal(layer: nn.Linear | nn.Conv2d, gain: float, seed: torch.Generator) -> None:
    nn.init.orthogonal_(layer.weight, gain, generator=seed)
    nn.init.zeros_(cast(Tensor, layer.bias))


def named_in_order(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Name and parameter in the documented order of a network's flat list (card 9.2).

    Embeddings of object, colour, state, [agent's location], [goal]; convolutions (weight, bias) ...; hidden layers;
    [LSTM]; policy; baseline.
    """
    order = ("stack.embeddings", "location", "goal", "stack.convolutions", "hidden", "lstm", "policy", "baseline")
    named = list(network.named_parameters())
    listed = [one for prefix in order for one in named if one[0].startswith(prefix + ".")]
    assert len(listed) == len(named)
    return listed


def count(networks: Iterable[nn.Module]) -> int:
    """Numbers in the parameters of these networks."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
