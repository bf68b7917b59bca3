"""Sizes of the networks, as `describe` tells them."""

from __future__ import annotations

from functools import cache

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
