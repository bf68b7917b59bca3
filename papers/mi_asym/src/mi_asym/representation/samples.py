"""What stage 2 learns from: every recorded step, its inputs as rows of a table without repetitions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from mi_asym.collect import Data

VECTOR = 256
"""Numbers of an input up to which it is no image."""


@dataclass(frozen=True)
class Samples:
    """Recorded steps of all episodes (card 5.2, samples)."""

    states: Tensor
    """(distinct states, size)"""
    observations: Tensor
    """(distinct observations, size)"""
    state: Tensor
    """(samples,) row of each sample in `states`."""
    observation: Tensor
    action: Tensor
    """(samples, action size); discrete actions as one number or one-hot (ledger 12)."""
    reward: Tensor
    """(samples,)"""
    next_state: Tensor
    """(samples,) row in `states` of the step that follows; any row where none was recorded."""
    next_observation: Tensor
    followed: Tensor
    """(samples,) 1 where the step that follows was recorded, else 0."""

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Part:
    """The distinct inputs of a batch: `values`, the rows of the batch in them, and how often each occurs."""

    values: Tensor
    now: Tensor
    """(batch,)"""
    following: Tensor
    """(batch,)"""
    counts: Tensor
    """(distinct,) occurrences among `now`, as floats."""


def samples_of(data: Data, one_hot: int = 0) -> Samples:
    """Flatten stage 1's episodes; `one_hot` actions get that many columns, 0 feeds the raw number (ledger 12)."""
    mask = data.masks > 0
    followed = torch.zeros_like(data.masks)
    followed[:, :-1] = data.masks[:, 1:]
    states, state = distinct_inputs(data.states[mask])
    observations, observation = distinct_inputs(data.obss[mask])
    following = torch.arange(len(state)) + 1
    following[-1] = 0
    actions = data.actions[mask]
    if one_hot:
        actions = torch.nn.functional.one_hot(actions.long(), one_hot).float()
    return Samples(
        states, observations, state, observation, actions if actions.dim() > 1 else actions[:, None],
        data.rewards[mask], state[following], observation[following], followed[mask],
    )  # fmt: skip


def distinct_inputs(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Rows without repetitions, and the row of each input; images are compared through a hash of their bytes."""
    if inputs.shape[1] <= VECTOR:
        values, index = torch.unique(inputs, dim=0, return_inverse=True)
        return values, index
    rows: dict[bytes, int] = {}
    first = []
    index = torch.empty(len(inputs), dtype=torch.int64)
    for number, image in enumerate(inputs.numpy()):
        key = hashlib.blake2b(image, digest_size=16).digest()
        if key not in rows:
            rows[key] = len(rows)
            first.append(number)
        index[number] = rows[key]
    return inputs[first], index


def part_of(table: Tensor, now: Tensor, following: Tensor) -> Part:
    """The inputs that a batch uses, each once; now and following (batch,)."""
    if len(table) <= 64 or (now.is_cuda and table.shape[1] <= VECTOR):  # a card would be waited for
        return Part(table.float(), now, following, counted(now, len(table)))
    present, where = torch.unique(torch.cat([now, following]), return_inverse=True)
    now, following = where[: len(now)], where[len(now) :]
    return Part(table[present].float(), now, following, counted(now, len(present)))


def counted(index: Tensor, rows: int) -> Tensor:
    """(rows,) how often each row is named by `index`; float32. `bincount` would look for the largest."""
    counts = torch.zeros(rows, device=index.device)
    return counts.scatter_add_(0, index, torch.ones_like(index, dtype=torch.float32))
