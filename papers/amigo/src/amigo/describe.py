"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from amigo.config import configure
from amigo.envs import find_task
from amigo.networks import GridSize, NoveltyNetwork, Student, Teacher, count


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each network's parameters, the unused tables among them (card 5.2)."""
    size = GridSize(find_task(task).width, find_task(task).height)
    config = configure(task, method, "paper")
    counts = sizes(size, config.state_embedding_dim)
    names = {
        "amigo": ("student", "teacher"),
        "amigo_adaptive": ("student", "teacher"),
        "amigo_novelty": ("student without goal", "novelty"),
        "impala": ("student without goal",),
    }
    return {name: counts[name] for name in names[method]}


@cache
def sizes(size: GridSize, hidden: int) -> dict[str, int]:
    """Of every network on a grid."""
    seed = torch.Generator()
    return {
        "student": count([Student(size, hidden, True, 0, seed)]),
        "student without goal": count([Student(size, hidden, False, 0, seed)]),
        "teacher": count([Teacher(size, False, seed)]),
        "novelty": count([NoveltyNetwork(size, seed)]),
    }


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
