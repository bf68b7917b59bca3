"""Playing whole episodes in all environments at once, to learn from or to judge by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_asym.agents.base import Agent
from mi_asym.experience import Source, slot

Choose = Callable[[Any, np.ndarray], Tensor]
"""(environments, which of them still play) -> actions, a row per environment."""
Epsilon = Callable[[int], float]
"""Policy actions so far -> probability of a random one."""


@dataclass(frozen=True)
class Episode:
    """An episode as it was played."""

    length: int
    total: float
    """Undiscounted raw return."""
    success: bool
    informed: bool
    """Whether the information cell was visited, on grids."""
    slots: dict[str, Tensor]
    """Columns of the replay buffer, (length + 1, ...); empty where nothing was to be stored."""


@torch.no_grad()
def play(
    environments: Any, choose: Choose, source: Source | None = None, time_out_ends: bool = True, expert: bool = False
) -> list[Episode]:
    """Reset all environments, play each to its end, and return the episodes in the environments' order.

    source: how moments are stored, None to store nothing; time_out_ends: whether the time limit is a terminal
    (ledger 10); expert: marks the actions as the scripted expert's.
    """
    environments.reset()
    count = environments.num_envs
    active = np.ones(count, dtype=bool)
    totals, successes, informed = np.zeros(count), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    slots: list[list[dict[str, Tensor]]] = [[] for _ in range(count)]
    moments = source.record(environments) if source else []
    while active.any():
        actions = choose(environments, active)
        actions = actions.cpu()  # the one wait of a step
        outcome = environments.step(actions.numpy(), active)
        totals += outcome.reward * active
        successes |= outcome.success & active
        informed |= getattr(environments, "information", informed) & active
        ended = outcome.done & active
        if source:
            terminal = ended if time_out_ends else ended & ~outcome.timed_out
            for k in np.flatnonzero(active):
                slots[k].append(slot(moments[k], actions[k], outcome.reward[k], terminal[k], expert))
            moments = source.record(environments)
            for k in np.flatnonzero(ended):  # the slot behind the last transition holds what was seen then
                slots[k].append(slot(moments[k], torch.zeros_like(actions[k]), 0.0, 1.0, 0.0))
        active &= ~ended
    return [
        Episode(
            int(environments.episode_step[k]),
            float(totals[k]),
            bool(successes[k]),
            bool(informed[k]),
            stacked(slots[k]),
        )
        for k in range(count)
    ]


def stacked(slots: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Slots as columns."""
    return {name: torch.stack([one[name] for one in slots]) for name in slots[0]} if slots else {}


class Policy:
    """An agent that plays: its memory from step to step, and how much it explores."""

    def __init__(
        self, agent: Agent, source: Source, noise: torch.Generator | None = None, played: int = 0,
        epsilon: Epsilon = lambda actions: 0.0,
    ) -> None:  # fmt: skip
        """noise: None plays deterministically; played: policy actions before this."""
        self.agent, self.source, self.noise = agent, source, noise
        self.played, self.epsilon = played, epsilon
        self.carry: dict[str, Tensor] | None = None

    def __call__(self, environments: Any, active: np.ndarray) -> Tensor:
        if self.carry is None:
            self.carry = self.agent.start(environments.num_envs)
        view = self.source.view(environments)
        actions, self.carry = self.agent.act(view, self.carry, self.noise, self.epsilon(self.played))
        self.played += int(active.sum())
        return actions


class Noise:
    """Uniformly random actions: warm-up, and stage 1's."""

    def __init__(self, actions: int, continuous: bool, draw: torch.Generator) -> None:
        self.actions, self.continuous, self.draw = actions, continuous, draw

    def __call__(self, environments: Any, active: np.ndarray) -> Tensor:
        count = environments.num_envs
        if self.continuous:
            return torch.rand(count, self.actions, generator=self.draw) * 2.0 - 1.0
        return torch.randint(self.actions, (count,), generator=self.draw)


class Expert:
    """The robots' scripted expert, in the episodes numbered `first` and on.

    Every second episode seeks information first, unless it is for an agent that sees the state (`informed`; card 4.5).
    """

    def __init__(self, first: int, informed: bool) -> None:
        self.first, self.informed = first, informed

    def __call__(self, environments: Any, active: np.ndarray) -> Tensor:
        numbers = self.first + np.arange(environments.num_envs)
        return torch.as_tensor(environments.query_expert(1 if self.informed else numbers))
