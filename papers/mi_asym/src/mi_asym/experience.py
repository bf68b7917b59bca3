"""What agents learn from and act on: steps of grids as rows of tables, of robots as images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mi_asym.augmentation import rotate_actions, rotate_images
from mi_asym.envs import TaskSpec, grid_tables
from mi_asym.networks.embedders import Distinct, distinct_rows
from mi_asym.networks.packing import Packing
from mi_asym.replay import Columns, Sequences
from mi_asym.streams import generator
from mirl.sending import sent


@dataclass(frozen=True)
class Batch:
    """Sequences to learn from; steps are rows without padding, transitions lead from one step to the next."""

    packing: Packing
    observation: Distinct
    state: Distinct
    features: Tensor
    """(rows, 32) frozen phi(s); without columns where the method has no features."""
    previous_action: Distinct
    """(rows, actions), zero at the start of a sequence."""
    action: Tensor
    """(transitions, actions); discrete ones one-hot."""
    reward: Tensor
    """(transitions,)"""
    terminal: Tensor
    """(transitions,)"""
    expert: Tensor
    """(transitions,) 1 where the scripted expert acted."""


@dataclass(frozen=True)
class View:
    """The present moment of all environments, for acting."""

    observation: Tensor
    """(environments, size)"""
    state: Tensor
    """(environments, size)"""


class Source(Protocol):
    """How the steps of a family of tasks are stored and read back."""

    columns: Columns

    def record(self, environments: Any) -> list[dict[str, Tensor]]:
        """What the present moment puts into a slot, for each environment."""

    def view(self, environments: Any) -> View: ...

    def batch(self, sequences: Sequences, draw: torch.Generator) -> Batch: ...


COMMON: Columns = {
    "reward": ((), torch.float32),
    "terminal": ((), torch.float32),
    "expert": ((), torch.float32),
}


class GridSource:
    """Grids: a slot holds the numbers of the observation and of the state; their features are tables."""

    def __init__(self, task: str, spec: TaskSpec, mdp: bool, phi: nn.Module | None, device: str) -> None:
        tables = grid_tables(task)
        self.actions, self.mdp, self.device = spec.num_actions, mdp, device
        self.states = torch.as_tensor(tables.all_states).to(device)
        self.observations = self.states if mdp else torch.as_tensor(tables.all_observations).to(device)
        with torch.no_grad():
            self.features = phi(self.states) if phi else self.states.new_zeros(len(self.states), 0)
        # No action, then each action, one-hot.
        self.previous = torch.cat([torch.zeros(1, self.actions), torch.eye(self.actions)]).to(device)
        kinds = {"observation": ((), torch.int32), "state": ((), torch.int32), "action": ((), torch.int8)}
        self.columns: Columns = {**kinds, **COMMON}

    def record(self, environments: Any) -> list[dict[str, Tensor]]:
        observation = torch.as_tensor(environments.observation_index)
        state = torch.as_tensor(environments.state_index)
        return [{"observation": observation[k], "state": state[k]} for k in range(len(state))]

    def view(self, environments: Any) -> View:
        now = np.stack([environments.observation_index, environments.state_index])
        observation, state = sent(torch.from_numpy(now), self.device)
        return View(self.observations[observation], self.states[state])

    def batch(self, sequences: Sequences, draw: torch.Generator) -> Batch:
        packing, columns = sequences.packing, sequences.columns
        taken = columns["action"][packing.before].long()
        state = columns["state"].long()
        return Batch(
            packing,
            distinct_rows(self.observations, columns["observation"].long()),
            distinct_rows(self.states, state),
            self.features[state],
            Distinct(self.previous, torch.cat([taken.new_zeros(packing.sequences), taken + 1])),
            self.previous[taken + 1],
            *(columns[name][packing.before] for name in ("reward", "terminal", "expert")),
        )


class RobotSource:
    """Robots: a slot holds the depth image in half precision, the gripper's flag, the mask of the movable object, and
    how the episode's rotated copies are turned; a copy is rotated when it is drawn (card 4.5, 8)."""

    def __init__(self, spec: TaskSpec, mdp: bool, phi: nn.Module | None, copies: int, seed: int, device: str) -> None:
        assert spec.image_shape is not None
        self.side, self.mdp, self.phi = spec.image_shape[1], mdp, phi
        self.copies, self.seed, self.device = copies, seed, device
        image = (self.side, self.side)
        self.columns: Columns = {
            "depth": (image, torch.float16), "holding": ((), torch.bool), "mask": (image, torch.bool),
            "angles": ((copies,), torch.float32), "action": ((spec.num_actions,), torch.float32), **COMMON,
        }  # fmt: skip

    def record(self, environments: Any) -> list[dict[str, Tensor]]:
        depth, holding, mask = (  # copies, as the environments write their next pictures into the same arrays
            torch.tensor(pictures) for pictures in (environments.depth, environments.holding, environments.mask)
        )
        return [
            {"depth": depth[k], "holding": holding[k], "mask": mask[k], "angles": self.angles(k, int(episode))}
            for k, episode in enumerate(environments.episode)
        ]

    def angles(self, environment: int, episode: int) -> Tensor:
        """(copies,) how the copies of an episode are turned, radians in [0, 2 pi); the same at all its steps."""
        draw = generator(self.seed, episode, f"angles of environment {environment}")
        return torch.rand(self.copies, generator=draw) * (2 * torch.pi)

    def view(self, environments: Any) -> View:
        state = environments.state()
        seen = np.stack([state if self.mdp else environments.observation(), state])
        return View(*sent(torch.from_numpy(seen), self.device))

    def batch(self, sequences: Sequences, draw: torch.Generator) -> Batch:
        packing, columns = sequences.packing, sequences.columns
        copies = torch.randint(self.copies + 1, (packing.sequences,), generator=draw)
        copy = sent(copies, self.device)[packing.sequence]
        angles = torch.cat([columns["angles"].new_zeros(packing.rows, 1), columns["angles"]], 1)
        angle = angles.gather(1, copy[:, None])[:, 0]
        planes = torch.stack([columns["depth"].float(), columns["mask"].float()], 1)
        turned = angle != 0
        if turned.any():
            planes[turned] = rotate_images(planes[turned], angle[turned])
        holding = columns["holding"].float()[:, None, None].expand(-1, self.side, self.side)
        state = planes.flatten(1)
        observation = state if self.mdp else torch.stack([planes[:, 0], holding], 1).flatten(1)
        taken = rotate_actions(columns["action"][packing.before], angle[packing.before])
        with torch.no_grad():
            features = self.phi(state) if self.phi else state.new_zeros(len(state), 0)
        return Batch(
            packing, Distinct(observation, None), Distinct(state, None), features, with_zero_start(taken, packing),
            taken, *(columns[name][packing.before] for name in ("reward", "terminal", "expert")),
        )  # fmt: skip


def with_zero_start(actions: Tensor, packing: Packing) -> Distinct:
    """(rows, actions): the action that led to each step, zero where a sequence starts."""
    start = actions.new_zeros(packing.sequences, actions.shape[1])
    return Distinct(torch.cat([start, actions]), None)  # `after` are exactly the rows behind the first block


Sampler = Callable[[int, torch.Generator], Batch]
"""Draws a batch of so many sequences."""


def slot(
    moment: Mapping[str, Tensor], action: Tensor, reward: float, terminal: float, expert: float
) -> dict[str, Tensor]:
    """A slot of the replay buffer: what was seen, what was done and what came of it."""
    numbers = {"reward": reward, "terminal": terminal, "expert": expert}
    return {**moment, "action": action, **{name: torch.tensor(value) for name, value in numbers.items()}}
