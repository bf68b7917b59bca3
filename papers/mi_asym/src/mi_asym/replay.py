"""The replay buffer: whole episodes in one flat ring, sequences out of it in one gather (card 5.8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mi_asym.networks.packing import Packing, pack
from mirl.sending import sent

Columns = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""Name -> shape of one slot and type."""


@dataclass(frozen=True)
class Sequences:
    """Sampled sequences as rows without padding."""

    packing: Packing
    columns: dict[str, Tensor]
    """(rows, ...) of each column."""


class Replay:
    """A ring of slots. An episode of L transitions takes L + 1: the last holds what was seen when it ended.

    A sequence starts at an episode's first slot where the episode is no longer than a sequence, else anywhere that
    leaves a whole sequence. Starts are drawn uniformly with replacement, so that short episodes weigh as much as long.
    """

    def __init__(self, columns: Columns, capacity: int, sequence_length: int, device: str = "cpu") -> None:
        self.capacity, self.sequence_length, self.device = capacity, sequence_length, device
        self.kinds = columns
        self.room = 0
        self.columns = {name: torch.empty(0, *shape, dtype=kind) for name, (shape, kind) in columns.items()}
        self.episodes: deque[tuple[int, int]] = deque()
        self.head = 0
        self.found: tuple[Tensor, Tensor, Tensor] | None = None

    def add(self, episode: Mapping[str, Tensor]) -> None:
        """Store an episode, each column (L + 1, ...); the oldest episodes make room."""
        slots = len(next(iter(episode.values())))
        if slots < 2:
            raise ValueError("an episode needs at least one transition")
        if slots > self.capacity:
            raise ValueError(f"an episode of {slots} slots does not fit into a buffer of {self.capacity}")
        while self.episodes and self.used + slots > self.capacity:
            self.episodes.popleft()
        self.reserve(min(self.head + slots, self.capacity))
        where = (self.head + torch.arange(slots)) % self.capacity
        for name, values in episode.items():
            column = self.columns[name]
            column[where.to(column.device)] = values.to(column.device, column.dtype)
        self.episodes.append((self.head, slots - 1))
        self.head = (self.head + slots) % self.capacity
        self.found = None

    def reserve(self, slots: int) -> None:
        """Grow the columns, by doubling, so that they hold at least `slots`."""
        if slots <= self.room:
            return
        room = min(max(slots, 2 * self.room, 4096), self.capacity)
        for name, (shape, kind) in self.kinds.items():
            grown = torch.zeros(room, *shape, dtype=kind, device=self.device)
            grown[: self.room] = self.columns[name][: self.room]
            self.columns[name] = grown
        self.room = room

    @property
    def used(self) -> int:
        """Slots of the episodes that are kept; the oldest's first slot to the newest's last, around the ring."""
        if not self.episodes:
            return 0
        return (self.head - self.episodes[0][0] - 1) % self.capacity + 1

    def index(self) -> tuple[Tensor, Tensor, Tensor]:
        """(starts,) valid first slots, (starts,) transitions from there to the episode's end, at most a sequence's,
        and (episodes,) running totals of transitions."""
        if self.found is None:
            first, length = torch.tensor(list(self.episodes)).view(-1, 2).unbind(1)
            choices = (length - self.sequence_length).clamp_min(0) + 1
            offset = torch.arange(int(choices.sum())) - (choices.cumsum(0) - choices).repeat_interleave(choices)
            starts = (first.repeat_interleave(choices) + offset) % self.capacity
            lengths = length.clamp_max(self.sequence_length).repeat_interleave(choices)
            self.found = starts, lengths, length.cumsum(0)
        return self.found

    def sample(self, count: int, draw: torch.Generator) -> Sequences:
        """`count` sequences, the longest first; trimmed to what is valid."""
        starts, lengths, _ = self.index()
        picked = torch.randint(len(starts), (count,), generator=draw)
        order = lengths[picked].argsort(descending=True, stable=True)
        return self.gather(starts[picked[order]], lengths[picked[order]])

    def sample_transitions(self, count: int, draw: torch.Generator) -> Sequences:
        """`count` transitions, uniformly over all: sequences of length 1."""
        _, _, totals = self.index()
        picked = torch.randint(int(totals[-1]), (count,), generator=draw)
        number = torch.searchsorted(totals, picked, right=True)
        first, length = torch.tensor(list(self.episodes)).unbind(1)
        within = picked - (totals[number] - length[number])
        return self.gather((first[number] + within) % self.capacity, torch.ones(count, dtype=torch.int64))

    def gather(self, starts: Tensor, lengths: Tensor) -> Sequences:
        """The slots of sequences that begin at `starts`, with `lengths` transitions in falling order."""
        packing = pack(lengths, self.device)
        slots = (sent(starts, self.device)[packing.sequence] + packing.time) % self.capacity
        return Sequences(packing, {name: column[slots] for name, column in self.columns.items()})

    def state(self) -> dict[str, Any]:
        """Everything, as tensors and numbers."""
        written = self.room if self.used > self.head else self.head  # around the ring's end, or not yet
        columns = {name: column[:written].cpu().clone() for name, column in self.columns.items()}
        episodes = torch.tensor(list(self.episodes), dtype=torch.int64).view(-1, 2)
        return {"columns": columns, "episodes": episodes, "head": self.head}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.columns = {name: column.to(self.device) for name, column in state["columns"].items()}
        self.room = len(next(iter(self.columns.values())))
        self.episodes = deque((first, length) for first, length in state["episodes"].tolist())
        self.head, self.found = state["head"], None
