"""The slow path: gym-minigrid 1.0.1 itself, and the way between its objects and our arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import gym
import gym_minigrid  # noqa: F401  (registers the tasks)
import numpy as np
from gym_minigrid.minigrid import COLOR_TO_IDX, IDX_TO_COLOR, OBJECT_TO_IDX, Ball, Box, Grid, Key, MiniGridEnv, WorldObj
from gym_minigrid.wrappers import FullyObsWrapper, ImgObsWrapper
from numpy.typing import NDArray

from amigo.envs.codes import BALL, BOX, KEY, NOTHING_CARRIED
from amigo.envs.layouts import NO_TARGET
from amigo.envs.mersenne_twister import stream_from
from amigo.envs.tasks import Task, find_task

if TYPE_CHECKING:
    from amigo.envs.batch import BatchedMiniGrid

TILE_PIXELS = 32
GOAL_COLOUR = (255, 0, 255)
GOAL_FRAME_PIXELS = 4


class FullGrid(gym.Wrapper):  # type: ignore[misc]  # gym 0.17 has no types
    """The observation of card 4.3: uint8 [W, H, 3], the whole grid with the agent in it, nothing else."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(ImgObsWrapper(FullyObsWrapper(env)))

    @property
    def carried(self) -> tuple[int, int]:
        """Object and colour of the carried thing; (1, 5) for empty hands."""
        thing = self.unwrapped.carrying
        return NOTHING_CARRIED if thing is None else (OBJECT_TO_IDX[thing.type], COLOR_TO_IDX[thing.color])


def make_oracle(task: str | Task) -> FullGrid:
    """The registered gym-minigrid environment of a task behind `FullGrid`; era API, seeded by `env.seed`."""
    return FullGrid(gym.make((find_task(task) if isinstance(task, str) else task).gym_id))


def load_oracle(batch: BatchedMiniGrid, index: int, env: FullGrid) -> None:
    """Give environment `index` of a batch the whole state of an oracle: grid, agent, hands, steps, random stream."""
    inner: MiniGridEnv = env.unwrapped
    state = batch.state
    x, y = inner.agent_pos
    grid = inner.grid.encode()
    target = getattr(inner, "obj", None)
    state.frame[index] = grid
    state.under_agent[index] = grid[x, y]
    state.frame[index, x, y] = (OBJECT_TO_IDX["agent"], 0, inner.agent_dir)
    state.agent[index] = (x, y, inner.agent_dir)
    state.carried_object[index], state.carried_colour[index] = env.carried
    state.carried_key[index] = key_inside(inner.carrying)
    for column in range(inner.width):
        for row in range(inner.height):
            state.hidden_key[index, column, row] = key_inside(inner.grid.get(column, row))
    state.target_colour[index] = NO_TARGET if target is None else COLOR_TO_IDX[target.color]
    state.episode_length[index], state.episode_return[index] = inner.step_count, 0
    state.reward[index], state.done[index], state.fresh[index] = 0, False, False
    state.stream[index] = stream_from(inner.np_random)


def key_inside(thing: WorldObj | None) -> int:
    """1 + the colour of the key in a box; 0 for an empty box and for everything else."""
    if not isinstance(thing, Box) or thing.contains is None:
        return 0
    if not isinstance(thing.contains, Key):
        raise ValueError(f"a box holds a {thing.contains.type}; only keys are known to be hidden")
    return 1 + int(COLOR_TO_IDX[thing.contains.color])


def store_in_oracle(batch: BatchedMiniGrid, index: int, env: FullGrid) -> None:
    """The way back: give a freshly reset oracle the state of environment `index`, all but the random stream."""
    inner: MiniGridEnv = env.unwrapped
    state = batch.state
    x, y, heading = (int(value) for value in state.agent[index])
    encoded = state.frame[index].copy()
    encoded[x, y] = state.under_agent[index]
    inner.grid, _ = Grid.decode(encoded)
    inner.agent_pos, inner.agent_dir = np.array((x, y)), heading
    inner.step_count = 0 if state.fresh[index] else int(state.episode_length[index])
    inner.carrying = thing_of(state.carried_object[index], state.carried_colour[index], state.carried_key[index])
    things = [inner.carrying]
    for column in range(inner.width):
        for row in range(inner.height):
            thing = inner.grid.get(column, row)
            hide_key(thing, state.hidden_key[index, column, row])
            things.append(thing)
    target = IDX_TO_COLOR.get(int(state.target_colour[index]))
    inner.obj = next((t for t in things if isinstance(t, Ball) and t.color == target), None)


def thing_of(kind: int, colour: int, key: int) -> WorldObj | None:
    """A gym-minigrid object with the key it hides, or None for empty hands."""
    if kind not in (KEY, BALL, BOX):
        return None
    thing = WorldObj.decode(int(kind), int(colour), 0)
    hide_key(thing, key)
    return thing


def hide_key(thing: WorldObj | None, key: int) -> None:
    """Put a key of colour `key` − 1 into a box; 0 hides none."""
    if thing is not None and key:
        thing.contains = Key(IDX_TO_COLOR[int(key) - 1])


def picture(batch: BatchedMiniGrid, index: int, goal: int | None = None) -> NDArray[np.uint8]:
    """gym-minigrid's own picture of one environment, uint8 [32·H, 32·W, 3], the agent's view highlighted.

    The cell of `goal` (x = goal // H, y = goal % H) is framed in magenta. Nothing opens a window.
    """
    env = canvas(batch.task)
    store_in_oracle(batch, index, env)
    image: NDArray[np.uint8] = env.unwrapped.render(mode="rgb_array", tile_size=TILE_PIXELS)
    if goal is not None:
        frame_cell(image, goal // batch.height, goal % batch.height)
    return image


@lru_cache
def canvas(task: Task) -> FullGrid:
    """An oracle to draw with, made once a task."""
    return make_oracle(task)


def frame_cell(image: NDArray[np.uint8], x: int, y: int) -> None:
    """Draw a frame around one cell of a picture."""
    cell = image[y * TILE_PIXELS : (y + 1) * TILE_PIXELS, x * TILE_PIXELS : (x + 1) * TILE_PIXELS]
    inside = np.zeros(cell.shape[:2], bool)
    inside[GOAL_FRAME_PIXELS:-GOAL_FRAME_PIXELS, GOAL_FRAME_PIXELS:-GOAL_FRAME_PIXELS] = True
    cell[~inside] = GOAL_COLOUR
