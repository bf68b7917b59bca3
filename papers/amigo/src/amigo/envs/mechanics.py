"""The rules of MiniGrid on integer arrays, compiled: one call steps every environment (card 4.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amigo.envs.codes import (
    AGENT,
    BALL,
    BOX,
    CLOSED,
    DOOR,
    DROP,
    EMPTY,
    FORWARD,
    GOAL,
    KEY,
    LOCKED,
    NOTHING_CARRIED,
    OPEN,
    PICK_UP,
    STEP_X,
    STEP_Y,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
)
from amigo.envs.compiled import compiled
from amigo.envs.layouts import draw_layout, put
from amigo.envs.mersenne_twister import STREAM_LENGTH
from amigo.envs.tasks import NUM_ACTIONS, Layout

NO_OBJECT, NO_COLOUR = NOTHING_CARRIED


class State(NamedTuple):
    """Everything of E environments; each array's first axis is the environment."""

    frame: NDArray[np.uint8]
    """[E, W, H, 3]: the grid, indexed [x][y], the agent drawn over its cell as (10, 0, heading)."""
    under_agent: NDArray[np.uint8]
    """[E, 3]: what the agent's cell holds, an open door or the goal or nothing."""
    agent: NDArray[np.int32]
    """[E, 3]: x, y, heading."""
    carried_object: NDArray[np.uint8]
    """[E]: what is carried; 1 for empty hands."""
    carried_colour: NDArray[np.uint8]
    """[E]: its colour; 5 for empty hands."""
    carried_key: NDArray[np.uint8]
    """[E]: 1 + the colour of the key in a carried box; 0 for none."""
    hidden_key: NDArray[np.uint8]
    """[E, W, H]: 1 + the colour of the key in the box of a cell; 0 for none."""
    target_colour: NDArray[np.uint8]
    """[E]: colour of the ball to pick up, the only ball of that colour; 255 where there is none."""
    reward: NDArray[np.float32]
    """[E]: of the last step."""
    done: NDArray[np.bool_]
    """[E]: whether the last step ended the episode."""
    episode_return: NDArray[np.float32]
    """[E]: sum of rewards of the episode of the last step."""
    episode_length: NDArray[np.int32]
    """[E]: steps of the episode of the last step."""
    fresh: NDArray[np.bool_]
    """[E]: whether the frame is the first of an episode, so that the next step counts from one."""
    stream: NDArray[np.uint32]
    """[E, 625]: the random streams of the layouts."""
    first_stream: NDArray[np.uint32]
    """[E, 625]: the streams as they were seeded, for tasks with one fixed layout."""


def allocate(layout: Layout, streams: NDArray[np.uint32]) -> State:
    """Arrays for as many environments as there are streams; `begin` must fill them."""
    count, width, height = len(streams), layout.width, layout.height
    return State(
        frame=np.zeros((count, width, height, 3), np.uint8),
        under_agent=np.zeros((count, 3), np.uint8),
        agent=np.zeros((count, 3), np.int32),
        carried_object=np.zeros(count, np.uint8),
        carried_colour=np.zeros(count, np.uint8),
        carried_key=np.zeros(count, np.uint8),
        hidden_key=np.zeros((count, width, height), np.uint8),
        target_colour=np.zeros(count, np.uint8),
        reward=np.zeros(count, np.float32),
        done=np.ones(count, np.bool_),
        episode_return=np.zeros(count, np.float32),
        episode_length=np.zeros(count, np.int32),
        fresh=np.ones(count, np.bool_),
        stream=streams.copy(),
        first_stream=streams.copy(),
    )


@compiled
def begin(layout: Layout, state: State, mask: NDArray[np.bool_], fix_seed: bool) -> None:
    """Start a new episode in the environments of `mask`; with `fix_seed` on the layout that their seed gives first."""
    for e in range(len(mask)):
        if mask[e]:
            begin_one(layout, state, e, fix_seed)


@compiled
def begin_one(layout: Layout, state: State, e: int, fix_seed: bool) -> None:
    """Start a new episode in one environment."""
    if fix_seed:
        for k in range(STREAM_LENGTH):
            state.stream[e, k] = state.first_stream[e, k]
    x, y, heading, target = draw_layout(layout, state.frame[e], state.hidden_key[e], state.stream[e])
    state.agent[e, 0], state.agent[e, 1], state.agent[e, 2] = x, y, heading
    lift(state, e, x, y)
    put(state.frame[e], x, y, AGENT, 0, heading)
    state.target_colour[e] = target
    state.carried_object[e], state.carried_colour[e], state.carried_key[e] = NO_OBJECT, NO_COLOUR, 0
    state.fresh[e] = True


@compiled
def lift(state: State, e: int, x: int, y: int) -> None:
    """Keep what a cell holds before the agent is drawn over it."""
    for channel in range(3):
        state.under_agent[e, channel] = state.frame[e, x, y, channel]


@compiled
def step(layout: Layout, state: State, actions: NDArray[np.int64], auto_reset: bool, fix_seed: bool) -> int:
    """One step everywhere; with `auto_reset` finished environments show the first frame of their next episode.

    Returns -1, or the index of an action that does not exist, in which case nothing has changed.
    """
    for e in range(len(actions)):
        if not 0 <= actions[e] < NUM_ACTIONS:
            return e
    for e in range(len(actions)):
        if state.fresh[e]:
            state.episode_return[e], state.episode_length[e], state.fresh[e] = 0.0, 0, False
        state.episode_length[e] += 1
        success = act(state, e, actions[e])
        reward = 1 - 0.9 * (state.episode_length[e] / layout.max_steps) if success else 0.0
        state.reward[e] = reward
        state.episode_return[e] += reward
        state.done[e] = success or state.episode_length[e] >= layout.max_steps
        if auto_reset and state.done[e]:
            begin_one(layout, state, e, fix_seed)
    return -1


@compiled
def act(state: State, e: int, action: int) -> bool:
    """Carry out one action; returns whether it solved the task."""
    grid = state.frame[e]
    x, y, heading = state.agent[e, 0], state.agent[e, 1], state.agent[e, 2]
    if action in (TURN_LEFT, TURN_RIGHT):
        heading = (heading + (1 if action == TURN_RIGHT else 3)) % 4
        state.agent[e, 2] = heading
        grid[x, y, 2] = heading
        return False
    ahead_x, ahead_y = x + STEP_X[heading], y + STEP_Y[heading]
    ahead = grid[ahead_x, ahead_y, 0]
    if action == FORWARD:
        if ahead in (EMPTY, GOAL) or (ahead == DOOR and grid[ahead_x, ahead_y, 2] == OPEN):
            put(grid, x, y, state.under_agent[e, 0], state.under_agent[e, 1], state.under_agent[e, 2])
            lift(state, e, ahead_x, ahead_y)
            put(grid, ahead_x, ahead_y, AGENT, 0, heading)
            state.agent[e, 0], state.agent[e, 1] = ahead_x, ahead_y
        return bool(ahead == GOAL)
    if action == PICK_UP:
        if ahead in (KEY, BALL, BOX) and state.carried_object[e] == NO_OBJECT:
            state.carried_object[e], state.carried_colour[e] = ahead, grid[ahead_x, ahead_y, 1]
            state.carried_key[e], state.hidden_key[e, ahead_x, ahead_y] = state.hidden_key[e, ahead_x, ahead_y], 0
            put(grid, ahead_x, ahead_y, EMPTY, 0, 0)
        return bool(state.carried_object[e] == BALL and state.carried_colour[e] == state.target_colour[e])
    if action == DROP and ahead == EMPTY and state.carried_object[e] != NO_OBJECT:
        put(grid, ahead_x, ahead_y, state.carried_object[e], state.carried_colour[e], 0)
        state.hidden_key[e, ahead_x, ahead_y] = state.carried_key[e]
        state.carried_object[e], state.carried_colour[e], state.carried_key[e] = NO_OBJECT, NO_COLOUR, 0
    if action == TOGGLE and ahead == DOOR:
        toggle_door(state, e, ahead_x, ahead_y)
    if action == TOGGLE and ahead == BOX:
        open_box(state, e, ahead_x, ahead_y)
    return False


@compiled
def toggle_door(state: State, e: int, x: int, y: int) -> None:
    """Open or close a door; a locked one opens to a carried key of its colour, which stays in hand."""
    grid = state.frame[e]
    if grid[x, y, 2] == LOCKED:
        if state.carried_object[e] == KEY and state.carried_colour[e] == grid[x, y, 1]:
            grid[x, y, 2] = OPEN
    else:
        grid[x, y, 2] = CLOSED if grid[x, y, 2] == OPEN else OPEN


@compiled
def open_box(state: State, e: int, x: int, y: int) -> None:
    """Replace a box by what it holds: a key, or nothing."""
    if state.hidden_key[e, x, y]:
        put(state.frame[e], x, y, KEY, state.hidden_key[e, x, y] - 1, 0)
        state.hidden_key[e, x, y] = 0
    else:
        put(state.frame[e], x, y, EMPTY, 0, 0)
