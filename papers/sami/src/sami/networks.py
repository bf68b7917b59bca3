"""The recurrent context encoder and the soft actor-critic networks that read its context (card 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from stable_baselines3.common.torch_layers import create_mlp
from torch import Tensor, nn

LOG_STD_RANGE = (-20.0, 2.0)
"""Natural logarithm of the policy's standard deviation before squashing."""

RELU: Any = partial(nn.ReLU, inplace=True)
"""In the place of its input, which nobody else reads."""

Memory = tuple[Tensor, Tensor]
"""Hidden and cell state of the encoder, each (rows, hidden)."""


class ContextEncoder(nn.Module):
    """Trajectory so far -> context: LSTM without biases, ReLU, linear head; nothing squashes the context.

    `weighting` (W) maps keys in the weighted form of the contrastive loss alone; it is always there (card 5.1).
    """

    def __init__(self, input_size: int, hidden_size: int, context_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True, bias=False)
        self.head = nn.Linear(hidden_size, context_size)
        self.weighting = nn.Linear(context_size, context_size, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(trajectories, time, input) -> contexts (trajectories, time, context), from an empty memory."""
        hidden, _ = self.lstm(inputs)
        return self.read(hidden)

    def read(self, hidden: Tensor) -> Tensor:
        """Hidden state -> context."""
        context: Tensor = self.head(torch.relu(hidden))
        return context

    def step(self, inputs: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """One step of `forward` for acting: (rows, input) and memory -> context (rows, context) and new memory."""
        hidden, cell = memory
        from_input, from_hidden = self.lstm.all_weights[0]
        gates = inputs @ from_input.T + hidden @ from_hidden.T
        write, forget, candidate, output = gates.chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(write) * torch.tanh(candidate)
        hidden = torch.sigmoid(output) * torch.tanh(cell)
        return self.read(hidden), (hidden, cell)

    def empty_memory(self, rows: int) -> Memory:
        """The memory at the start of an episode."""
        zeros = self.head.weight.new_zeros(rows, self.lstm.hidden_size)
        return zeros, zeros.clone()


class Actor(nn.Module):
    """(observation, context) -> mean and log standard deviation of the action before tanh."""

    def __init__(self, features: int, action_size: int, hidden_sizes: Sequence[int]) -> None:
        super().__init__()
        self.body = nn.Sequential(*create_mlp(features, -1, list(hidden_sizes), RELU))
        self.mean = nn.Linear(hidden_sizes[-1], action_size)
        self.log_std = nn.Linear(hidden_sizes[-1], action_size)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features (rows, observation + context) -> mean, log_std, each (rows, action)."""
        hidden = self.body(features)
        return self.mean(hidden), self.log_std(hidden).clamp(*LOG_STD_RANGE)

    def best_action(self, features: Tensor) -> Tensor:
        """The action that a test plays: tanh of the mean."""
        return torch.tanh(self.mean(self.body(features)))


class Critics(nn.Module):
    """Two independent estimates of the return after (observation, context, action)."""

    def __init__(self, features: int, action_size: int, hidden_sizes: Sequence[int]) -> None:
        super().__init__()
        sizes = features + action_size, 1, list(hidden_sizes), RELU
        self.first = nn.Sequential(*create_mlp(*sizes))
        self.second = nn.Sequential(*create_mlp(*sizes))

    def forward(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, features), (rows, action) -> two tensors (rows,)."""
        inputs = torch.cat([features, action], dim=-1)
        return self.first(inputs).squeeze(-1), self.second(inputs).squeeze(-1)

    def lower(self, features: Tensor, action: Tensor) -> Tensor:
        """The smaller of both estimates, (rows,)."""
        return torch.minimum(*self(features, action))


def encoder_inputs(observation: Tensor, previous_action: Tensor, action_index: int) -> Tensor:
    """Observation and previous action in alphabetical order of their keys (card 5.1).

    observation (..., observation), its keys in that order; the action stands before column `action_index`.
    """
    return torch.cat([observation[..., :action_index], previous_action, observation[..., action_index:]], dim=-1)


def parameter_count(module: nn.Module) -> int:
    """All parameters of a network."""
    return sum(parameter.numel() for parameter in module.parameters())
