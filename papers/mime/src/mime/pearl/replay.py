"""What has been seen of every training task, and which part of it is the task's context."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mirl.config import ConfigError
from mirl.files import sha256, write_atomically
from mirl.sending import sent

Role = Literal["begins", "joins", "apart"]
"""Added transitions begin a new context of their task, join its context, or stay apart from it."""


@dataclass(frozen=True)
class Columns:
    """Where observation, action, reward and next observation stand in a transition, a row of numbers."""

    observation: int
    action: int

    @property
    def width(self) -> int:
        """Numbers in a transition."""
        return 2 * self.observation + self.action + 1

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(..., width) -> observations (..., o), actions (..., a), rewards (...), next observations (..., o)."""
        sizes = [self.observation, self.action, 1, self.observation]
        observations, actions, rewards, following = rows.split(sizes, dim=-1)  # type: ignore[no-untyped-call]
        return observations, actions, rewards.squeeze(-1), following


class Replay:
    """Rows of transitions per task, in the order in which they came; the context is a run of them."""

    def __init__(self, tasks: int, width: int, device: str = "cpu") -> None:
        self.rows = [torch.empty(0, width, device=device) for _ in range(tasks)]
        self.sizes = [0] * tasks
        self.contexts = [(0, 0)] * tasks
        """First transition of each task's context, and the one after its last."""
        self.journal: list[tuple[int, Role, Tensor]] = []
        """What was added since the last shard."""
        self.shards: list[str] = []
        """sha256 of every shard written."""

    def add(self, task: int, role: Role, rows: Tensor) -> None:
        """Append transitions (number, width) to a task's; the context they join must be the task's last."""
        self.journal.append((task, role, rows.cpu()))
        start = self.sizes[task]
        stop = start + len(rows)
        if stop > len(self.rows[task]):
            grown = self.rows[task].new_empty(max(stop, 2 * len(self.rows[task])), rows.shape[1])
            grown[:start] = self.rows[task][:start]
            self.rows[task] = grown
        self.rows[task][start:stop] = rows
        self.sizes[task] = stop
        if role == "begins":
            self.contexts[task] = (start, stop)
        elif role == "joins":
            if self.contexts[task][1] != start:
                raise ValueError(f"the context of task {task} ends before its last transition")
            self.contexts[task] = (self.contexts[task][0], stop)

    def sample(self, tasks: Sequence[int], number: int, generator: torch.Generator) -> Tensor:
        """Transitions of each task, drawn with replacement: (tasks, number, width)."""
        return self.drawn(tasks, [(0, self.sizes[task]) for task in tasks], number, generator)

    def sample_context(self, tasks: Sequence[int], number: int, generator: torch.Generator) -> Tensor:
        """Context transitions of each task, drawn with replacement: (tasks, number, width)."""
        return self.drawn(tasks, [self.contexts[task] for task in tasks], number, generator)

    def drawn(
        self, tasks: Sequence[int], ranges: Sequence[tuple[int, int]], number: int, generator: torch.Generator
    ) -> Tensor:
        """Rows of each task out of its range."""
        chosen = [torch.randint(start, stop, (number,), generator=generator) for start, stop in ranges]
        indices = sent(torch.stack(chosen), self.rows[0].device)
        return torch.stack([self.rows[task][index] for task, index in zip(tasks, indices, strict=True)])

    # Kept beside the checkpoints, in shards that are written once

    def write_shard(self, folder: Path) -> None:
        """Write what was added since the last shard, if anything, as the next one."""
        if not self.journal:
            return
        folder.mkdir(exist_ok=True)
        path, buffer = shard_path(folder, len(self.shards)), io.BytesIO()
        torch.save([[task, role, rows.clone()] for task, role, rows in self.journal], buffer)
        write_atomically(path, buffer.getvalue())
        self.shards.append(sha256(path))
        self.journal.clear()

    def read_shards(self, folder: Path, expected: Sequence[str]) -> None:
        """Fill an empty replay from the shards of a run; raises ConfigError where one is not as it was written."""
        for number, digest in enumerate(expected):
            path = shard_path(folder, number)
            if not path.is_file() or sha256(path) != digest:
                raise ConfigError(f"{path} is missing or damaged; start again with --overwrite")
            for task, role, rows in torch.load(path, weights_only=True):
                self.add(task, role, rows)
        self.shards = list(expected)
        self.journal.clear()


def shard_path(folder: Path, number: int) -> Path:
    """Where shard `number` of a run's replay is kept."""
    return folder / f"{number:06d}.pt"
