"""The gridworlds for many environments at once: every rule looked up in a table.

A state is (cell, goal), an observation is (cell, goal or hidden); both are small integers, so that frozen features
of them can be tabulated too (card 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mi_asym.envs.draws import stream_key, uniforms
from mi_asym.envs.gridworld import GOAL_DRAW, HORIZON, MOVES, START_DRAW, Gridworld
from mi_asym.envs.spec import TaskSpec


class Outcome(NamedTuple):
    """What a step brought to each of K environments."""

    reward: np.ndarray
    """float32 (K,)."""
    done: np.ndarray
    """bool (K,), true at the time limit too (card 2.5)."""
    timed_out: np.ndarray
    """bool (K,): done by the time limit alone."""
    success: np.ndarray
    """bool (K,)."""


@dataclass(frozen=True)
class GridTables:
    """A gridworld written out: C cells, G goals."""

    next_cell: np.ndarray
    """int64 (C, 4)."""
    reward: np.ndarray
    """float32 (C, G): for a step that ends on the cell."""
    done: np.ndarray
    """bool (C, G)."""
    success: np.ndarray
    """bool (C, G)."""
    information: np.ndarray
    """bool (C,): where the goal is shown."""
    starts: np.ndarray
    """int64 (G, most starts): the first `start_count` of each row are the cells an episode may start on."""
    start_count: np.ndarray
    """int64 (G,)."""
    may_start: np.ndarray
    """bool (C, G)."""
    all_states: np.ndarray
    """float32 (C * G, S), by state index = cell * G + goal."""
    all_observations: np.ndarray
    """float32 (C * (G + 1), O), by observation index = cell * (G + 1) + (0 if hidden else 1 + goal)."""

    @property
    def num_goals(self) -> int:
        return int(self.reward.shape[1])

    @property
    def num_states(self) -> int:
        """Rows of `all_states`."""
        return len(self.all_states)


def tabulate(grid: Gridworld) -> GridTables:
    """All rules of a gridworld as tables."""
    cells, goals = range(grid.rows * grid.columns), range(len(grid.goal_cells))
    arrivals = [[grid.arrival(cell, goal) for goal in goals] for cell in cells]
    starts = [grid.starts(goal) for goal in goals]
    most = max(len(row) for row in starts)
    may_start = np.zeros((len(cells), len(goals)), bool)
    for goal, row in enumerate(starts):
        may_start[list(row), goal] = True
    states = np.stack([grid.picture(cell, goal) for cell in cells for goal in goals]).astype(np.float32)
    shown = [None, *goals]
    observations = np.stack([grid.picture(cell, goal) for cell in cells for goal in shown]).astype(np.float32)
    return GridTables(
        next_cell=np.array([[grid.move(cell, action) for action in range(len(MOVES))] for cell in cells]),
        reward=np.array([[arrival.reward for arrival in row] for row in arrivals], np.float32),
        done=np.array([[arrival.done for arrival in row] for row in arrivals]),
        success=np.array([[arrival.success for arrival in row] for row in arrivals]),
        information=np.array([cell in grid.information_cells for cell in cells]),
        starts=np.array([[*row, *[-1] * (most - len(row))] for row in starts]),
        start_count=np.array([len(row) for row in starts]),
        may_start=may_start,
        all_states=states,
        all_observations=states if grid.mdp else observations,
    )


class GridBatch:
    """K environments of one gridworld; the k-th equals the gym environment with `environment=k` step by step."""

    def __init__(self, spec: TaskSpec, grid: Gridworld, num_envs: int, seed: int) -> None:
        self.spec, self.grid, self.num_envs = spec, grid, num_envs
        self.tables, self.key = tabulate(grid), stream_key(seed, grid.purpose)
        self.cell = np.full(num_envs, grid.first_cell, np.int64)
        self.goal = np.zeros(num_envs, np.int64)
        self.episode = np.full(num_envs, -1, np.int64)
        self.episode_step = np.zeros(num_envs, np.int64)
        self.finished = np.ones(num_envs, bool)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin a new episode in the environments of `mask`, bool (K,), or in all."""
        which = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        self.episode[which] += 1
        goal = (self.draw(which, GOAL_DRAW) * self.tables.num_goals).astype(np.int64)
        start = (self.draw(which, START_DRAW) * self.tables.start_count[goal]).astype(np.int64)
        cell = self.tables.starts[goal, start]
        if self.grid.carries_position:
            cell = np.where(self.tables.may_start[self.cell[which], goal], self.cell[which], cell)
        self.goal[which], self.cell[which] = goal, cell
        self.episode_step[which], self.finished[which] = 0, False

    def draw(self, which: np.ndarray, draw: int) -> np.ndarray:
        """A uniform number for each environment of `which`, of its present episode."""
        return uniforms(self.key, which, self.episode[which], draw)

    def step(self, actions: np.ndarray, active: np.ndarray | None = None) -> Outcome:
        """Move; `actions` is int (K,). Environments outside `active`, bool (K,), stay as they are and bring nothing."""
        active = np.ones(self.num_envs, bool) if active is None else np.asarray(active)
        if (self.finished & active).any():
            raise RuntimeError("an environment whose episode is over was stepped; reset it first")
        self.cell = np.where(active, self.tables.next_cell[self.cell, np.asarray(actions)], self.cell)
        self.episode_step += active
        ended = self.tables.done[self.cell, self.goal] & active
        timed_out = (self.episode_step >= HORIZON) & active & ~ended
        self.finished |= ended | timed_out
        reward = np.where(active, self.tables.reward[self.cell, self.goal], np.float32(0.0))
        return Outcome(reward, ended | timed_out, timed_out, self.tables.success[self.cell, self.goal] & active)

    @property
    def state_index(self) -> np.ndarray:
        """int64 (K,): row of `tables.all_states`."""
        return self.cell * self.tables.num_goals + self.goal

    @property
    def observation_index(self) -> np.ndarray:
        """int64 (K,): row of `tables.all_observations`."""
        if self.grid.mdp:
            return self.state_index
        return self.cell * (self.tables.num_goals + 1) + np.where(self.information, 1 + self.goal, 0)

    @property
    def information(self) -> np.ndarray:
        """bool (K,): whether the goal is shown here."""
        shown: np.ndarray = self.tables.information[self.cell]
        return shown

    def observation(self) -> np.ndarray:
        """float32 (K, O), of the present moment."""
        rows: np.ndarray = self.tables.all_observations[self.observation_index]
        return rows

    def state(self) -> np.ndarray:
        """float32 (K, S), of the present moment."""
        rows: np.ndarray = self.tables.all_states[self.state_index]
        return rows

    def frame(self, k: int = 0, way: Sequence[int] = ()) -> np.ndarray:
        """A colour picture of one environment, uint8 (height, width, 3); `way`: cells that were visited."""
        from mi_asym.envs.pictures import draw_frame  # here, so that nobody who only plays waits for fonts

        return draw_frame(self.grid, int(self.cell[k]), int(self.goal[k]), way)

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, as tensors."""
        import torch  # here, so that a robot's worker process starts without it

        names = ("cell", "goal", "episode", "episode_step", "finished")
        return {name: torch.from_numpy(getattr(self, name).copy()) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        for name, value in state.items():
            setattr(self, name, value.numpy().copy())

    def close(self) -> None:
        """Nothing to free."""
