"""Small agents with replay buffers of random episodes, and batches out of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from mi_asym.building import agent_for, environments_for, replay_for, source_for
from mi_asym.config import configure
from mi_asym.envs import task_spec
from mi_asym.experience import Batch
from mi_asym.rollout import Noise, play
from mi_asym.stages import untrained
from mi_asym.streams import generator


class Toy:
    """A method's agent on a task, and what it learns from."""

    def __init__(self, task: str, method: str, fidelity: str = "paper", episodes: int = 12, **fields: Any) -> None:
        self.config: Any = replace(configure(task, method, fidelity), **({"batch_size": 6} | fields))
        names = task, method, self.config, 0, "cpu"
        prepared = untrained(task, self.config)
        self.source = source_for(*names, prepared)
        self.agent: Any = agent_for(*names, prepared)
        self.replay = replay_for(self.config, self.source, "cpu")
        self.environments = environments_for(task, method, self.config, 0, episodes, "toy")
        spec = task_spec(task)
        self.episodes = play(
            self.environments, Noise(spec.num_actions, spec.continuous, generator(0, 0, "toy")), self.source
        )
        for episode in self.episodes:
            self.replay.add(episode.slots)

    def sample(self, count: int, draw: torch.Generator) -> Batch:
        whole = self.agent.whole_sequences
        drawn = self.replay.sample(count, draw) if whole else self.replay.sample_transitions(count, draw)
        return self.source.batch(drawn, draw)

    def batch(self, seed: int = 0, count: int = 6) -> Batch:
        return self.sample(count, generator(seed, 0, "toy batch"))

    def update(self, number: int = 0) -> dict[str, torch.Tensor]:
        losses: dict[str, torch.Tensor] = self.agent.update(
            self.sample, generator(0, number, "batches"), generator(0, number, "noise")
        )
        return losses


def gradients(loss: torch.Tensor, module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Of every parameter that the loss depends on."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {name: value for name, value in zip(named, found, strict=True) if value is not None}
