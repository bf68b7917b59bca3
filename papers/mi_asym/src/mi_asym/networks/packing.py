"""Sequences of unequal length as one block of rows without padding: time first, longest sequence first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mirl.sending import sent


@dataclass(frozen=True)
class Packing:
    """Where the steps of each sequence stand in a block of rows.

    Rows go time by time; within a time, sequence by sequence, of which the longest is the first, so that those that
    go on are always the first `batch_sizes[t]`. No row is padding: sums over rows are sums over valid steps.
    """

    batch_sizes: Tensor
    """(times,) sequences that have a step at each time, on the CPU."""
    time: Tensor
    """(rows,)"""
    sequence: Tensor
    """(rows,)"""
    before: Tensor
    """(transitions,) row that each transition leaves; the rows that transitions lead to are `after`, in this order."""

    @property
    def rows(self) -> int:
        return len(self.time)

    @property
    def transitions(self) -> int:
        return len(self.before)

    @property
    def after(self) -> slice:
        """The rows that transitions lead to: all but the sequences' first."""
        return slice(self.sequences, None)

    @property
    def sequences(self) -> int:
        return int(self.batch_sizes[0])


def pack(lengths: Tensor, device: str | torch.device = "cpu") -> Packing:
    """The packing of sequences with `lengths` transitions, in falling order, and one step more than transitions."""
    steps = lengths + 1
    times = torch.arange(int(steps.max()))
    running = steps[None, :] > times[:, None]
    sizes = running.sum(1)
    time, sequence = running.nonzero(as_tuple=True)
    after = torch.arange(int(sizes[0]), len(time))
    before = after - sizes[time[after] - 1]  # the block of the time before has that many rows, in the same order
    indices = time, sequence, before
    return Packing(sizes, *sent(torch.cat(indices), device).split([len(index) for index in indices]))
