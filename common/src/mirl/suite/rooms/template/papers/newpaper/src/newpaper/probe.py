"""A method on a device, ready to act and to learn, for whoever compares, counts or times it (mirl.probe)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mirl.probe import Probe
from newpaper.agent import Agent
from newpaper.config import configure
from newpaper.rollout import collect

SMALL: dict[str, Any] = {"episodes_per_update": 4}


def probe(task: str, method: str, device: str, small: bool) -> Probe:
    """The paper's sizes, or small ones; the batch is one that an untrained policy played on the CPU."""
    config = replace(configure(task, method, "faithful"), **(SMALL if small else {}))
    agent, number = Agent(task, config, 0, device), config.episodes_per_update
    batch = collect(Agent(task, config, 0).policy, task, number, 0, 0)
    networks = {"policy": agent.policy} | ({} if agent.value is None else {"value": agent.value})

    def act() -> int:
        return collect(agent.policy, task, number, 0, 0).env_steps

    def learnt() -> Mapping[str, Tensor]:
        return {name: gradient_of(network) for name, network in networks.items()}

    return Probe(act, len(batch.alive), lambda: agent.update(batch), learnt)


def gradient_of(network: torch.nn.Module) -> Tensor:
    """As one vector; zeros before the first update."""
    parts = [p.grad if p.grad is not None else torch.zeros_like(p) for p in network.parameters()]
    return torch.cat([part.flatten() for part in parts])
