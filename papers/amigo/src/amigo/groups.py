"""Actors in groups, so that a GPU decides for one while the CPU steps another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

import torch
from torch import Tensor

from amigo.config import ImpalaConfig
from amigo.rollout import Actors, Policy
from amigo.unrolls import Unrolls, join

ACTORS_AXIS = {"memory": 1}
"""Of what actors know; 0 elsewhere."""


class Groups:
    """All actors of a run in `config.actor_groups` groups of neighbours; what is learnt, played and saved looks as one
    group's."""

    def __init__(self, task: str, config: ImpalaConfig, seed: int) -> None:
        total, each = config.num_actors, config.num_actors // config.actor_groups
        self.groups = [
            Actors(task, config, seed, total, part=range(first, first + each)) for first in range(0, total, each)
        ]

    def collect(self, policy: Policy, number: int) -> Unrolls:
        """Unroll number `number` of every actor; the next call may overwrite it.

        In turn each group waits for what was decided for it, steps, and asks again; meanwhile the others have asked.
        """
        with torch.inference_mode():
            for _ in zip_longest(*(group.plays(policy, number) for group in self.groups)):
                pass
        return join([group.unrolls for group in self.groups])

    def state(self) -> dict[str, Tensor]:
        """As `Actors.state`, of all."""
        parts = [group.state() for group in self.groups]
        return {name: torch.cat([part[name] for part in parts], axis(name)) for name in parts[0]}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for group in self.groups:
            start, count = group.part.start, group.count
            group.load({name: value.narrow(axis(name), start, count) for name, value in state.items()})


def axis(name: str) -> int:
    return ACTORS_AXIS.get(name, 0)
