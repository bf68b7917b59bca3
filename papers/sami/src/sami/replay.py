"""Whole trajectories on the training device: what was seen, how good it was, what is drawn (card 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mirl.sending import sent
from sami.streams import generator


@dataclass(frozen=True)
class Trajectories:
    """Some stored trajectories, cut to the longest of them, `time` steps."""

    observations: Tensor
    """(trajectories, time + 1, observation); entry `length` is where the trajectory ended."""
    actions: Tensor
    """(trajectories, time, action), in [-1, 1]."""
    rewards: Tensor
    """(trajectories, time)."""
    lengths: Tensor
    """(trajectories,), steps."""
    terminated: Tensor
    """(trajectories,), 1 where the task itself ended the trajectory, 0 where its time was up."""

    @property
    def time(self) -> int:
        """Steps of the longest one."""
        return self.actions.shape[1]

    def steps(self, dropped: int = 0) -> Tensor:
        """(trajectories, time), true at steps 0 ... length - 1 - dropped."""
        return torch.arange(self.time, device=self.lengths.device) < (self.lengths - dropped)[:, None]


class TrajectoryBuffer:
    """A ring of trajectories for each slot.

    `overwritten`: `capacity` places; once they are full, the trajectory that is being written over is sampled too, its
    first steps new and the others old, as in the release (ledger 19). `whole`: one place more, in which the next
    trajectory is written unseen.
    """

    def __init__(
        self,
        slots: int,
        capacity: int,
        horizon: int,
        observation_size: int,
        action_size: int,
        seed: int,
        device: str,
        full_buffer: str = "overwritten",
    ) -> None:
        """The arrays begin with uniform noise, which the score and the contrastive actions of the original read."""
        self.slots, self.horizon, self.full_buffer = slots, horizon, full_buffer
        self.places = capacity + (full_buffer == "whole")
        fill = generator(seed, 0, "buffer")
        shape = slots, self.places, horizon + 1

        def noise(*size: int) -> Tensor:
            return torch.rand(*shape, *size, generator=fill).to(device)

        self.arrays = {"observations": noise(observation_size), "actions": noise(action_size), "rewards": noise()}
        self.lengths = np.zeros((slots, self.places), dtype=np.int64)
        self.terminated = np.zeros((slots, self.places), dtype=np.int64)
        self.returns = np.zeros((slots, self.places))
        self.stale_rewards = np.zeros((slots, self.places))
        self.cursors = np.zeros((slots, 2), dtype=np.int64)
        """For each slot the trajectory being written and its next step."""

    def extend(self, slot: int, observations: Tensor, actions: Tensor, rewards: Tensor) -> None:
        """Append steps of one episode to a slot: (steps, observation), (steps, action), (steps,)."""
        number, start = self.cursors[slot]
        end = start + len(rewards)
        for name, values in (("observations", observations), ("actions", actions), ("rewards", rewards)):
            self.arrays[name][slot, number, start:end] = values.to(self.arrays[name].device)
        self.cursors[slot, 1] = end

    def finish(self, slot: int, last_observation: Tensor, terminated: bool) -> None:
        """End the trajectory that is being written and go on to the next place in the ring."""
        number, length = self.cursors[slot]
        rewards = self.arrays["rewards"][slot, number]
        self.arrays["observations"][slot, number, length] = last_observation.to(rewards.device)
        self.lengths[slot, number], self.terminated[slot, number] = length, terminated
        self.returns[slot, number] = rewards[:length].double().sum().item()
        self.stale_rewards[slot, number] = rewards[length].item()
        self.cursors[slot] = (number + 1) % self.places, 0
        if self.full_buffer == "whole":
            self.lengths[slot, self.cursors[slot, 0]] = 0  # the oldest one makes room

    def complete(self, slot: int) -> np.ndarray:
        """Numbers of the slot's trajectories that can be sampled: the whole ones, and one that is written over."""
        return np.flatnonzero(self.lengths[slot])

    def lengths_now(self, chosen: np.ndarray) -> np.ndarray:
        """Steps of the trajectories of (count, 2) pairs.

        New steps that reach beyond the end of the trajectory under them move the end to the step after the last new
        one, where the old mark of an end still stands (card 5.4).
        """
        lengths = self.lengths[chosen[:, 0], chosen[:, 1]]
        written, steps = self.cursors[chosen[:, 0]].T
        now: np.ndarray = np.where(chosen[:, 1] == written, np.maximum(lengths, steps + 1), lengths)
        return now

    @property
    def ready(self) -> bool:
        """Whether every slot has a whole trajectory: before that nothing can be sampled (ledger 13)."""
        return bool((self.lengths > 0).any(axis=1).all())

    def scores(self, rule: str) -> np.ndarray:
        """(slots, places): `stale` (return + the stale reward beyond the end) / (length + 1), `mean` reward per step.

        What is not complete scores nothing and is not to be read. Source: card 5.4.
        """
        if rule == "stale":
            return (self.returns + self.stale_rewards) / (self.lengths + 1)
        return self.returns / np.maximum(self.lengths, 1)

    def sample(self, choices: np.random.Generator, batch_size: int) -> np.ndarray:
        """(batch, 2) pairs (slot, number): the same share from every slot, uniform with replacement (card 5.4)."""
        share = batch_size // self.slots
        return np.concatenate([self.draw(choices, slot, share) for slot in range(self.slots)])

    def draw(self, choices: np.random.Generator, slot: int, count: int) -> np.ndarray:
        """(count, 2) pairs (slot, number) of one slot's trajectories, uniform with replacement."""
        return pairs(slot, choices.choice(self.complete(slot), count))

    def gather(self, chosen: np.ndarray, actions_of: np.ndarray | None = None) -> Trajectories:
        """The trajectories of (count, 2) pairs; `actions_of` names others whose actions stand in their place."""
        lengths = self.lengths_now(chosen)
        time, device = int(lengths.max()), self.arrays["rewards"].device
        others = (chosen if actions_of is None else actions_of)[:, 1]
        columns = np.stack([*chosen.T, others, lengths, self.terminated[chosen[:, 0], chosen[:, 1]]]).astype(np.int64)
        slots, numbers, others, lengths, terminated = sent(torch.from_numpy(columns), device)
        return Trajectories(
            self.arrays["observations"][slots, numbers, : time + 1],
            self.arrays["actions"][slots, others, :time],
            self.arrays["rewards"][slots, numbers, :time],
            lengths,
            terminated.bool(),
        )

    def before(self, chosen: np.ndarray) -> np.ndarray:
        """The places before `chosen` in the ring, the last one before the first (ledger 2)."""
        return np.stack([chosen[:, 0], (chosen[:, 1] - 1) % self.places], axis=1)

    def state(self) -> dict[str, Any]:
        """Everything but the noise that was never written over, as tensors."""
        used = np.flatnonzero((self.lengths > 0).any(axis=0))
        touched = int(max(used.max(initial=-1), self.cursors[:, 0].max())) + 1
        arrays = {name: array[:, :touched].cpu().clone() for name, array in self.arrays.items()}
        return arrays | {name: torch.from_numpy(getattr(self, name).copy()) for name in TABLES}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state` on a buffer made with the same seed."""
        for name, array in self.arrays.items():
            array[:, : state[name].shape[1]] = state[name].to(array.device)
        for name in TABLES:
            getattr(self, name)[...] = state[name].numpy()


TABLES: Sequence[str] = ("lengths", "terminated", "returns", "stale_rewards", "cursors")


def pairs(slot: int, numbers: np.ndarray) -> np.ndarray:
    """(count, 2) pairs (slot, number)."""
    return np.stack([np.full(len(numbers), slot), numbers], axis=1)
