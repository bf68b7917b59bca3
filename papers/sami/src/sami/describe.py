"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from typing import Any

import gym
import gymnasium
import mujoco
import stable_baselines3
import torch

from sami.config import configure
from sami.evaluate import make_agent
from sami.networks import parameter_count


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Parameters of each network (card 5.1); targets are not counted."""
    agent = make_agent(task, configure(task, method, "faithful"), seed=0, device="cpu")
    networks = {"encoder": agent.encoder, "actor": agent.actor, "critics": agent.critics}
    return {name: parameter_count(network) for name, network in networks.items()}


def versions(device: str) -> dict[str, Any]:
    """Frameworks, CUDA and GPU by name and version; results repeat bit for bit on a CPU with a fixed thread count."""
    gpu = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else None
    return {
        "torch": torch.__version__,
        "stable_baselines3": stable_baselines3.__version__,
        "mujoco": mujoco.__version__,
        "gym": gym.__version__,
        "gymnasium": gymnasium.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "gpu": gpu,
        "deterministic": gpu is None,
        "threads": torch.get_num_threads(),
    }
