"""The history's encoder, embeddings and memory together, and the shortcut past it (card 5.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mi_asym.config.fields import MemoryFields
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch
from mi_asym.networks.embedders import Distinct, Shape, VectorEmbedder, joint_linear, make_embedder
from mi_asym.networks.memories import Carry, make_memory


class HistoryEncoder(nn.Module):
    """h_t: memory after [embedded a_t, embedded o_t] of every step so far."""

    def __init__(self, spec: TaskSpec, config: MemoryFields, draw: torch.Generator) -> None:
        super().__init__()
        shape: Shape | None = spec.image_shape
        self.observation = make_embedder(spec.observation_size, shape, config.observation_width, draw)
        self.action = VectorEmbedder(spec.num_actions, config.action_width, draw)
        inputs = config.action_width + config.observation_width
        self.memory = make_memory(config.memory, inputs, config.memory_width, draw, config.dropout)
        self.width, self.inputs = self.memory.width, inputs

    def embed(self, batch: Batch) -> list[Distinct]:
        """The memory's inputs."""
        return [batch.previous_action.embedded(self.action), batch.observation.embedded(self.observation)]

    def forward(self, batch: Batch, noise: torch.Generator | None) -> Tensor:
        """(rows, width)."""
        outputs: Tensor = self.memory(self.embed(batch), batch.packing, noise)
        return outputs

    def start(self, environments: int) -> Carry:
        """The memory's carry, and no action before the first observation."""
        device = self.action.linear.weight.device
        nothing = torch.zeros(environments, self.action.linear.in_features, device=device)
        return {"previous": nothing, **self.memory.start(environments)}

    def step(self, observation: Tensor, carry: Carry, noise: torch.Generator | None) -> tuple[Tensor, Carry]:
        """(environments, width) of one more observation, and the memory's carry."""
        inputs = torch.cat([self.action(carry["previous"]), self.observation(observation)], 1)
        return self.memory.step(inputs, carry, noise)


def shortcut_width(spec: TaskSpec, config: MemoryFields) -> int:
    """Of the current observation's own embedding: 128 for vectors, that of the memory's for images (card 5.3, 5.9)."""
    return config.observation_width if spec.image_shape else 128


def make_shortcut(spec: TaskSpec, width: int, draw: torch.Generator) -> nn.Module:
    """The current observation's way past the memory."""
    return make_embedder(spec.observation_size, spec.image_shape, width, draw)


def through_head(head: nn.Sequential, *parts: Distinct) -> Tensor:
    """A head of vectors that stand side by side in each row."""
    first = head[0]
    assert isinstance(first, nn.Linear)
    outputs: Tensor = head[1:](joint_linear(first.weight, first.bias, *parts))
    return outputs
