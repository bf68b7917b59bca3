"""The three gridworlds as gym 0.22 environments: an agent on a grid, a hidden goal, cells that tell it.

Each is written as a few pure functions of (cell, goal); `grid_batch.py` tabulates the same functions for many
environments at once. A cell index is row * columns + column. Source: card 4 and 4.1 to 4.4.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import gym
import numpy as np
from gym import spaces

from mi_asym.envs.draws import stream_key, uniforms

HORIZON = 50
"""Steps per episode, of every task (card 2.1)."""
MOVES = ((0, 1), (-1, 0), (0, -1), (1, 0))
"""(row, column) steps of the actions right, up, left, down (card 4)."""
GOAL_DRAW, START_DRAW = 0, 1
"""Which draw of an episode places the goal, and which the agent."""


class Arrival(NamedTuple):
    """What a step that ends on a cell brings."""

    reward: float
    done: bool
    success: bool


class Gridworld(gym.Env):  # type: ignore[misc]  # gym 0.22 has no types
    """A deterministic grid in which only some cells show where the goal is.

    A goal is an index into `goal_cells`. `environment` keys the random draws beside the seed, so that the k-th of
    many environments can be played alone. With `mdp` the observation is the state.
    """

    metadata = {"render.modes": ["rgb_array"]}  # noqa: RUF012  # gym's own attribute
    rows: int
    columns: int
    goal_cells: tuple[int, ...]
    first_cell: int
    """Where the agent is before any reset."""
    information_cells: frozenset[int]
    carries_position = False
    """Whether the agent stays where it is at a reset, as long as it may start there (card 4.3)."""
    max_episode_steps = HORIZON

    def __init__(self, environment: int = 0, mdp: bool = False, purpose: str = "train") -> None:
        self.environment, self.mdp, self.purpose = environment, mdp, purpose
        self.cell, self.goal, self.episode = self.first_cell, 0, -1
        self.state_space = self.bounds()
        self.observation_space = self.bounds()
        self.action_space = spaces.Discrete(len(MOVES))
        shape = self.image_shape
        self.img_size = shape[-1] if shape else None
        self.image_space = spaces.Box(0.0, 1.0, shape=shape, dtype=np.float64) if shape else None
        self.seed(0)

    # What makes each grid itself.

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(2, rows, columns) where observations are flattened planes."""
        return 2, self.rows, self.columns

    def bounds(self) -> spaces.Box:
        """The space of observations and of states."""
        return spaces.Box(0.0, 1.0, shape=(2 * self.rows * self.columns,), dtype=np.float64)

    def is_free(self, cell: int) -> bool:
        """Whether the agent can stand on a cell."""
        return True

    def arrival(self, cell: int, goal: int) -> Arrival:
        """What a step brings that ends on `cell`, also one that bumps."""
        raise NotImplementedError

    def starts(self, goal: int) -> tuple[int, ...]:
        """The cells an episode may start on."""
        raise NotImplementedError

    def picture(self, cell: int, shown: int | None) -> np.ndarray:
        """Observation or state, flat float64; `shown` is the goal, None where it is hidden."""
        planes = np.zeros((2, self.rows * self.columns))
        planes[0, cell] = 1.0
        if shown is not None:
            planes[1, self.goal_cells[shown]] = 1.0
        return planes.ravel()

    # What they share.

    def move(self, cell: int, action: int) -> int:
        """The next cell; off the grid and into blocked cells there is no move."""
        row, column = cell // self.columns + MOVES[action][0], cell % self.columns + MOVES[action][1]
        inside = 0 <= row < self.rows and 0 <= column < self.columns
        target = row * self.columns + column
        return target if inside and self.is_free(target) else cell

    def seed(self, seed: int | None = None) -> list[int]:
        """Key the draws of all episodes to come; the next reset begins episode 0."""
        used = 0 if seed is None else seed
        self.key, self.episode = stream_key(used, self.purpose), -1
        return [used]

    def reset(self) -> np.ndarray:
        """A new episode; returns the observation."""
        self.episode += 1
        self.goal = int(self.draw(GOAL_DRAW) * len(self.goal_cells))
        starts = self.starts(self.goal)
        if not (self.carries_position and self.cell in starts):
            self.cell = starts[int(self.draw(START_DRAW) * len(starts))]
        return self.observation()

    def draw(self, which: int) -> float:
        """A uniform number of this environment's episode."""
        return float(uniforms(self.key, np.array([self.environment]), np.array([self.episode]), which)[0])

    def step(self, action: int) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Move, then pay for where the agent is now."""
        self.cell = self.move(self.cell, int(action))
        reward, done, success = self.arrival(self.cell, self.goal)
        return self.observation(), reward, done, {"success": success}

    def observation(self) -> np.ndarray:
        """What the agent sees now: the goal only on an information cell."""
        shown = self.goal if self.mdp or self.cell in self.information_cells else None
        return self.picture(self.cell, shown)

    def get_state(self) -> np.ndarray:
        """The true state now: the goal is always shown."""
        return self.picture(self.cell, self.goal)

    def render(self, mode: str = "rgb_array") -> np.ndarray:
        """A colour picture, uint8 (height, width, 3)."""
        from mi_asym.envs.pictures import draw_frame

        return draw_frame(self, self.cell, self.goal)


class HeavenHell(Gridworld):
    """A corridor in the shape of a T with two ends, heaven and hell, and a cell below that tells which is which.

    Observation: (column / 6, row / 4, side), side being +1 for heaven on the right, -1 on the left, 0 unless the
    agent stands on the information cell. Source: card 4.1.
    """

    rows, columns = 5, 7
    goal_cells = (0, 6)
    first_cell = 24
    information_cells = frozenset({34})

    @property
    def image_shape(self) -> None:
        """Observations are vectors."""
        return None

    def bounds(self) -> spaces.Box:
        """(column, row, side)."""
        return spaces.Box(np.array([0.0, 0.0, -1.0]), np.array([1.0, 1.0, 1.0]), dtype=np.float64)

    def is_free(self, cell: int) -> bool:
        """The top row, the middle column, and the corridor to the information cell."""
        row, column = divmod(cell, self.columns)
        return row == 0 or column == 3 or (row == 4 and column > 3)

    def arrival(self, cell: int, goal: int) -> Arrival:
        """+1 in heaven, -1 in hell; both end the episode."""
        if cell not in self.goal_cells:
            return Arrival(0.0, False, False)
        heaven = cell == self.goal_cells[goal]
        return Arrival(1.0 if heaven else -1.0, True, heaven)

    def starts(self, goal: int) -> tuple[int, ...]:
        """Always the same cell."""
        return (self.first_cell,)

    def picture(self, cell: int, shown: int | None) -> np.ndarray:
        """(column / 6, row / 4, side of heaven)."""
        side = 0.0 if shown is None else (-1.0, 1.0)[shown]
        return np.array([cell % self.columns / 6, cell // self.columns / 4, side])


class Sphinx(Gridworld):
    """Three corners of which one is right; the sphinx in the fourth tells which, for a fee on every step there.

    Observation: plane 0 the agent, plane 1 the goal, shown only on the sphinx's cell. Source: card 4.2.
    """

    rows, columns = 6, 6
    goal_cells = (5, 35, 30)
    first_cell = 14
    information_cells = frozenset({0})

    def arrival(self, cell: int, goal: int) -> Arrival:
        """Every corner but the sphinx's ends the episode, the right one pays 1; the sphinx takes 0.2."""
        if cell in self.goal_cells:
            success = cell == self.goal_cells[goal]
            return Arrival(float(success), True, success)
        return Arrival(-0.2 if cell in self.information_cells else 0.0, False, False)

    def starts(self, goal: int) -> tuple[int, ...]:
        """The cells at distance 2 or more from all candidates, but for the sphinx's own: 26."""
        free = set(range(36)) - set(self.goal_cells) - self.information_cells
        far = [cell for cell in sorted(free) if all(distance(cell, end, 6) >= 2 for end in self.goal_cells)]
        return tuple(far)


class CarFlag2D(Gridworld):
    """A flag anywhere on the grid, seen only from the middle 3 x 3 cells.

    `start`: "carry" leaves the agent where the last episode ended, usually on the old flag, and draws it anew only
    where it may not start; "uniform" always draws it. Source: card 4.3, and 7.9 for the choice.
    """

    rows, columns = 11, 11
    information_cells = frozenset({48, 49, 50, 59, 60, 61, 70, 71, 72})
    goal_cells = tuple(sorted(set(range(121)) - information_cells))
    first_cell = 25

    def __init__(
        self,
        environment: int = 0,
        mdp: bool = False,
        purpose: str = "train",
        start: Literal["carry", "uniform"] = "carry",
    ) -> None:
        self.carries_position = start == "carry"
        super().__init__(environment, mdp, purpose)

    def arrival(self, cell: int, goal: int) -> Arrival:
        """1 at the flag and the end; nothing else pays."""
        success = cell == self.goal_cells[goal]
        return Arrival(float(success), success, success)

    def starts(self, goal: int) -> tuple[int, ...]:
        """Outside the information area, and 2 or more away from the flag."""
        flag = self.goal_cells[goal]
        return tuple(cell for cell in self.goal_cells if distance(cell, flag, 11) >= 2)


def distance(one: int, other: int, columns: int) -> int:
    """Steps between two cells of an open grid."""
    return abs(one // columns - other // columns) + abs(one % columns - other % columns)
