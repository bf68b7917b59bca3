"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from typing import Any

import torch

from mi_asym.building import agent_for
from mi_asym.config import EmbedderFields, configure
from mi_asym.networks.layers import parameter_count
from mi_asym.representation.learner import RepresentationLearner
from mi_asym.stages import untrained


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each part of an agent, targets left out, and in stage 2 as a whole (card 5.9)."""
    config = configure(task, method, "paper")
    counts = agent_for(task, method, config, 0, "cpu", untrained(task, config)).parameter_counts()
    if isinstance(config, EmbedderFields):
        counts["stage 2"] = parameter_count(RepresentationLearner(task, config))
    return counts


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
