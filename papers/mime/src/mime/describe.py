"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from typing import Any

import torch

from mime.agent import MamlExplAgent
from mime.config import MamlConfig
from mime.evaluate import agent_for


def parameter_counts(task: str, config: MamlConfig) -> dict[str, int]:
    """Numbers in each network's parameter vector (card 5.1, 5.5)."""
    agent = agent_for(task, config, seed=0, device="cpu")
    dynamics = {"dynamics": agent.model.layout.size} if isinstance(agent, MamlExplAgent) else {}
    return {"policy": agent.layout.size} | dynamics


def versions(device: str) -> dict[str, Any]:
    """Framework, CUDA and GPU by name and version; results repeat bit for bit on a CPU with a fixed thread count."""
    gpu = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else None
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "gpu": gpu,
        "deterministic": gpu is None,
        "threads": torch.get_num_threads(),
    }
