"""Memories: GRU, transformer, and the multilayer perceptron that remembers nothing (card 5.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention, softmax
from torch.nn.utils.rnn import PackedSequence

from mi_asym.networks.embedders import Distinct, joint_linear
from mi_asym.networks.layers import dropout, empty_linear, wide_linear
from mi_asym.networks.packing import Packing
from mi_asym.networks.recurrence import PackedRecurrence

Carry = dict[str, Tensor]
"""What a memory keeps between two steps of acting; the first axis of each tensor is the environment."""
CONTEXT = 51
"""Steps of the longest episode, the first observation included."""


class Memory(Protocol):
    """What agents need of a memory."""

    width: int

    def __call__(self, inputs: Sequence[Distinct], packing: Packing, noise: torch.Generator | None) -> Tensor:
        """Vectors that stand side by side in each row -> (rows, width), each row knowing its sequence up to itself."""

    def start(self, environments: int) -> Carry:
        """The carry of environments that have just been reset."""

    def step(self, inputs: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        """(environments, inputs) -> (environments, width) and the carry after it."""


class Gru(nn.Module):
    """Gated recurrent unit with orthogonal weights, zero biases and a zero initial state."""

    def __init__(self, inputs: int, width: int, draw: torch.Generator, layers: int = 1) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.gru = nn.GRU(inputs, width, layers)
        for name, parameter in self.gru.named_parameters():
            if "weight" in name:
                nn.init.orthogonal_(parameter, generator=draw)
            else:
                nn.init.zeros_(parameter)

    def forward(self, inputs: Sequence[Distinct], packing: Packing, noise: torch.Generator | None) -> Tensor:
        if packing.time.is_cuda:
            joint = torch.cat([part.all for part in inputs], 1)
            outputs: Tensor = self.gru(PackedSequence(joint, packing.batch_sizes))[0].data
            return outputs
        sizes = packing.batch_sizes.tolist()
        for of_inputs, of_state, bias, state_bias in self.gru.all_weights:
            added = torch.cat([bias[: 2 * self.width] + state_bias[: 2 * self.width], bias[2 * self.width :]])
            projected = joint_linear(of_inputs, added, *inputs)
            hidden: Tensor = PackedRecurrence.apply(  # type: ignore[no-untyped-call]
                projected, sizes, packing.before, of_state, state_bias[2 * self.width :]
            )
            inputs = [Distinct(hidden, None)]
        return hidden

    def start(self, environments: int) -> Carry:
        device = self.gru.all_weights[0][0].device
        return {"hidden": torch.zeros(environments, self.layers, self.width, device=device)}

    def step(self, inputs: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        outputs, hidden = self.gru(inputs[None], carry["hidden"].transpose(0, 1).contiguous())
        return outputs[0], {"hidden": hidden.transpose(0, 1)}


class Gpt(nn.Module):
    """One pre-norm GPT-2 block on one token a step, with sine positions."""

    def __init__(self, width: int, draw: torch.Generator, heads: int = 2, rate: float = 0.1) -> None:
        super().__init__()
        self.width, self.heads, self.rate = width, heads, rate
        self.before_attention, self.before_mlp, self.at_end = (nn.LayerNorm(width) for _ in range(3))
        self.query_key_value = normal_linear(width, 3 * width, draw)
        self.projection = normal_linear(width, width, draw)
        self.widen = normal_linear(width, 4 * width, draw)
        self.narrow = normal_linear(4 * width, width, draw)
        self.register_buffer("positions", sine_positions(CONTEXT, width), persistent=False)
        self.positions: Tensor

    def forward(self, inputs: Sequence[Distinct], packing: Packing, noise: torch.Generator | None) -> Tensor:
        joint = torch.cat([part.all for part in inputs], 1)
        stream = dropout(joint + self.positions[packing.time], self.rate, noise)
        joint = self.query_key_value(self.before_attention(stream))
        padded = joint.new_zeros(packing.sequences, len(packing.batch_sizes), 3 * self.width)
        # Padding stands behind every valid step, where a causal mask already looks at nothing.
        padded = padded.index_put((packing.sequence, packing.time), joint)
        query, key, value = (self.split(part) for part in padded.chunk(3, -1))
        attended = causal_attention(query, key, value, self.rate, noise).transpose(1, 2).flatten(2)
        return self.finish(stream, attended[packing.sequence, packing.time], noise)

    def finish(self, stream: Tensor, attended: Tensor, noise: torch.Generator | None) -> Tensor:
        """The block behind its attention."""
        stream = stream + dropout(self.projection(attended), self.rate, noise)
        hidden = gelu(self.widen(self.before_mlp(stream)), approximate="tanh")
        outputs: Tensor = self.at_end(stream + dropout(self.narrow(hidden), self.rate, noise))
        return outputs

    def split(self, joint: Tensor) -> Tensor:
        """(sequences, times, width) -> (sequences, heads, times, width of a head)."""
        return joint.view(*joint.shape[:-1], self.heads, -1).transpose(1, 2)

    def start(self, environments: int) -> Carry:
        shape, device = (environments, self.heads, CONTEXT, self.width // self.heads), self.positions.device
        return {
            "keys": torch.zeros(shape, device=device),
            "values": torch.zeros(shape, device=device),
            "time": torch.zeros(environments, dtype=torch.int64, device=device),
        }

    def step(self, inputs: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        time, which = carry["time"], torch.arange(len(inputs), device=inputs.device)
        stream = dropout(inputs + self.positions[time], self.rate, noise)
        query, key, value = self.query_key_value(self.before_attention(stream)).chunk(3, -1)
        keys, values = carry["keys"].clone(), carry["values"].clone()
        keys[which, :, time] = key.reshape(len(key), self.heads, -1)
        values[which, :, time] = value.reshape(len(value), self.heads, -1)
        query = query.reshape(len(query), self.heads, 1, -1)
        scores = query @ keys.transpose(-1, -2) / math.sqrt(self.width // self.heads)
        future = torch.arange(CONTEXT, device=inputs.device)[None] > time[:, None]
        weights = dropout(softmax(scores.masked_fill(future[:, None, None], -math.inf), -1), self.rate, noise)
        outputs = self.finish(stream, (weights @ values).flatten(1), noise)
        return outputs, {"keys": keys, "values": values, "time": time + 1}


class MlpMemory(nn.Module):
    """Three layers of each step alone: the ablation without history."""

    def __init__(self, inputs: int, width: int, draw: torch.Generator) -> None:
        super().__init__()
        self.width = width
        layers = [wide_linear(inputs, width, draw), nn.ReLU(), wide_linear(width, width, draw), nn.ReLU()]
        self.layers = nn.Sequential(*layers, wide_linear(width, width, draw))

    def forward(self, inputs: Sequence[Distinct], packing: Packing, noise: torch.Generator | None) -> Tensor:
        outputs: Tensor = self.layers(torch.cat([part.all for part in inputs], 1))
        return outputs

    def start(self, environments: int) -> Carry:
        return {}

    def step(self, inputs: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        return self.layers(inputs), carry


def make_memory(kind: str, inputs: int, width: int, draw: torch.Generator, rate: float) -> Gru | Gpt | MlpMemory:
    """`gru`, `gpt` or `mlp`; a transformer is as wide as its inputs."""
    if kind == "gpt":
        return Gpt(inputs, draw, rate=rate)
    return Gru(inputs, width, draw) if kind == "gru" else MlpMemory(inputs, width, draw)


def causal_attention(query: Tensor, key: Tensor, value: Tensor, rate: float, noise: torch.Generator | None) -> Tensor:
    """Scaled dot-product attention to the past and present; (sequences, heads, times, width) each.

    The fused kernel where dropout is off; else written out, so that dropout has a generator of its own.
    """
    if noise is None or rate == 0.0:
        return scaled_dot_product_attention(query, key, value, is_causal=True)
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).triu(1)
    return dropout(softmax(scores.masked_fill(future, -math.inf), -1), rate, noise) @ value


def normal_linear(inputs: int, outputs: int, draw: torch.Generator) -> nn.Linear:
    """Weights N(0, 0.02), zero biases."""
    layer = empty_linear(inputs, outputs)
    nn.init.normal_(layer.weight, 0.0, 0.02, generator=draw)
    nn.init.zeros_(layer.bias)
    return layer


def sine_positions(times: int, width: int) -> Tensor:
    """(times, width): sines on even, cosines on odd dimensions, base 10,000."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(times)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]
