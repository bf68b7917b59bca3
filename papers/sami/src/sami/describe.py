"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from typing import Any

import gym
import gymnasium
import mujoco
import stable_baselines3

from mirl.versions import torch_versions
from sami.assembly import make_agent
from sami.fidelity import configure
from sami.networks import parameter_count


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Parameters of each network (card 5.1); targets are not counted."""
    agent = make_agent(task, configure(task, method, "faithful"), seed=0, device="cpu")
    networks = {"encoder": agent.encoder, "actor": agent.actor, "critics": agent.critics}
    return {name: parameter_count(network) for name, network in networks.items()}


def versions(device: str) -> dict[str, Any]:
    """Those of torch, and of what the environments and methods stand on."""
    modules = (stable_baselines3, mujoco, gym, gymnasium)
    return torch_versions(device) | {module.__name__: module.__version__ for module in modules}
