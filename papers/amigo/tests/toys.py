"""Small configs and scripted policies for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from amigo.config import ImpalaConfig, configure
from amigo.rollout import Decision, decide_in_turn


def small(method: str = "amigo", task: str = "Empty-5x5", fidelity: str = "paper", **changes: Any) -> ImpalaConfig:
    """Two actors, unrolls of six steps, batches of two, twelve goals a teacher update."""
    values: dict[str, Any] = {
        "num_actors": 2, "batch_size": 2, "unroll_length": 6, "total_env_steps": 10_000, "evaluation_every": 0,
        "evaluation_episodes": 4,
    }  # fmt: skip
    if method != "impala":
        values["generator_batch_size"] = 12
    return replace(configure(task, method, fidelity), **values | changes)


class Scripted:
    """Every actor plays the same actions one after the other; goals come from a list as well."""

    def __init__(self, actions: list[int], goals: list[int], cells: int) -> None:
        self.actions, self.goals, self.cells = iter(actions), iter(goals), cells
        self.asked: list[Tensor] = []
        """Frames that goals were asked for."""
        self.shown: list[Tensor] = []
        """Goals that actions were asked for."""

    def decide(self, *what: Any) -> Callable[[], Decision]:
        return partial(decide_in_turn, self, *what)

    def act(
        self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor, done: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        self.shown.append(goals.clone())
        logits = torch.full((len(frames), 7), -1e4)
        logits[:, next(self.actions)] = 0.0
        return logits, memory

    def propose(self, frames: Tensor) -> Tensor:
        self.asked.append(frames.clone())
        logits = torch.full((len(frames), self.cells), -1e4)
        logits[:, next(self.goals)] = 0.0
        return logits
