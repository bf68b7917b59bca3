"""Fresh layouts, drawn number by number as gym-minigrid 1.0.1 draws them (card 4.2).

Every function works on one environment: `grid` is uint8 [W, H, 3] indexed [x][y], `hidden_key` is uint8 [W, H] with
1 + the colour of the key inside the box of that cell (0: none), `stream` is its random stream. The order in which
numbers are drawn is the oracle's; a change of order gives other layouts for the same seed, and a failing test.

gym-minigrid gives up on a layout after 1000 misplaced objects or 5000 misplaced doors, which in these tasks has a
probability below 1e-20; here drawing goes on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amigo.envs.codes import (
    BALL,
    BLUE,
    BOX,
    CLOSED,
    COLOURS_BY_NAME,
    DOOR,
    DOWN,
    EMPTY,
    GOAL,
    GREEN,
    GREY,
    KEY,
    LEFT,
    LOCKED,
    RIGHT,
    STEP_X,
    STEP_Y,
    UP,
    WALL,
)
from amigo.envs.compiled import (
    BOOLEAN,
    CELLS,
    GRID,
    INT,
    LAYOUT,
    PASSAGES,
    PLACE,
    POSE,
    SLOTS,
    START,
    STREAM,
    VOID,
    compiled_as,
)
from amigo.envs.mersenne_twister import Stream, draw
from amigo.envs.tasks import EMPTY_FAMILY, KEY_CORRIDOR_FAMILY, OBSTRUCTED_PAIR_FAMILY, Layout

Cells = NDArray[np.uint8]
Slots = NDArray[np.int64]

NO_TARGET = 255
"""Target colour of a task without a target ball."""
SIDE_ROOMS = ((2, 1), (1, 2), (0, 1), (1, 0))
CORNERS = ((2, 0), (2, 2), (0, 2), (0, 0))
"""Rooms (column, row) of an ObstructedMaze in the order of its quarters."""


@compiled_as(VOID(GRID, INT, INT, INT, INT, INT))
def put(grid: Cells, x: int, y: int, kind: int, colour: int, state: int) -> None:
    """Write one cell."""
    grid[x, y, 0] = kind
    grid[x, y, 1] = colour
    grid[x, y, 2] = state


@compiled_as(INT(STREAM))
def draw_colour(stream: Stream) -> int:
    """One of the six colours."""
    return COLOURS_BY_NAME[draw(stream, 0, 6)]


@compiled_as(VOID(GRID, INT, INT, INT, INT))
def walls(grid: Cells, left: int, top: int, width: int, height: int) -> None:
    """The outline of a rectangle of cells."""
    for x in range(left, left + width):
        put(grid, x, top, WALL, GREY, 0)
        put(grid, x, top + height - 1, WALL, GREY, 0)
    for y in range(top, top + height):
        put(grid, left, y, WALL, GREY, 0)
        put(grid, left + width - 1, y, WALL, GREY, 0)


@compiled_as(VOID(GRID))
def clear(grid: Cells) -> None:
    """Make every cell empty."""
    grid[:] = 0
    grid[:, :, 0] = EMPTY


@compiled_as(PLACE(GRID, STREAM, INT, INT, INT, INT, INT, INT))
def free_cell(
    grid: Cells, stream: Stream, left: int, top: int, size: int, shun_x: int, shun_y: int, distance: int
) -> tuple[int, int]:
    """A random empty cell of a square, at least `distance` steps (Manhattan) from the cell to shun."""
    while True:
        x = draw(stream, left, min(left + size, grid.shape[0]))
        y = draw(stream, top, min(top + size, grid.shape[1]))
        if grid[x, y, 0] == EMPTY and abs(x - shun_x) + abs(y - shun_y) >= distance:
            return x, y


@compiled_as(START(LAYOUT, GRID, STREAM))
def empty_room(layout: Layout, grid: Cells, stream: Stream) -> tuple[int, int, int, int]:
    """One room with the goal at the bottom right."""
    clear(grid)
    walls(grid, 0, 0, layout.width, layout.height)
    put(grid, layout.width - 2, layout.height - 2, GOAL, GREEN, 0)
    x, y, heading = 1, 1, RIGHT
    if layout.random_start:
        x, y = free_cell(grid, stream, 0, 0, layout.width, 0, 0, 0)
        heading = draw(stream, 0, 4)
    return x, y, heading, NO_TARGET


@compiled_as(SLOTS(LAYOUT, GRID, STREAM))
def room_grid(layout: Layout, grid: Cells, stream: Stream) -> Slots:
    """The walls of all rooms; returns the place of the door in each shared wall: [column, row, 2].

    […, 0] is the y of the slot to the right neighbour, […, 1] the x of the slot to the lower one.
    """
    clear(grid)
    pitch = layout.room_size - 1
    for row in range(layout.rows):
        for column in range(layout.columns):
            walls(grid, column * pitch, row * pitch, layout.room_size, layout.room_size)
    slots = np.zeros((layout.columns, layout.rows, 2), np.int64)
    for row in range(layout.rows):
        for column in range(layout.columns):
            if column < layout.columns - 1:
                slots[column, row, 0] = draw(stream, row * pitch + 1, row * pitch + pitch)
            if row < layout.rows - 1:
                slots[column, row, 1] = draw(stream, column * pitch + 1, column * pitch + pitch)
    return slots


@compiled_as(PLACE(LAYOUT, SLOTS, INT, INT, INT))
def door_place(layout: Layout, slots: Slots, column: int, row: int, side: int) -> tuple[int, int]:
    """x, y of the door in one wall of a room; `side` is the heading that leads through it."""
    pitch = layout.room_size - 1
    if side == RIGHT:
        return (column + 1) * pitch, slots[column, row, 0]
    if side == DOWN:
        return slots[column, row, 1], (row + 1) * pitch
    if side == LEFT:
        return column * pitch, slots[column - 1, row, 0]
    return slots[column, row - 1, 1], row * pitch


@compiled_as(PLACE(LAYOUT, GRID, STREAM, INT, INT, INT, INT))
def place_in_room(
    layout: Layout, grid: Cells, stream: Stream, column: int, row: int, kind: int, colour: int
) -> tuple[int, int]:
    """Put an object on a random cell of a room; returns its x, y.

    While objects are placed the agent is taken to stand in the middle of the middle room; they keep two steps away.
    """
    pitch, half = layout.room_size - 1, layout.room_size // 2
    middle_x, middle_y = (layout.columns // 2) * pitch + half, (layout.rows // 2) * pitch + half
    x, y = free_cell(grid, stream, column * pitch, row * pitch, layout.room_size, middle_x, middle_y, 2)
    put(grid, x, y, kind, colour, 0)
    return x, y


@compiled_as(POSE(LAYOUT, GRID, STREAM))
def place_agent(layout: Layout, grid: Cells, stream: Stream) -> tuple[int, int, int]:
    """x, y and heading of the agent in its room, looking at an empty cell or a wall."""
    pitch = layout.room_size - 1
    left, top = layout.agent_column * pitch, layout.agent_row * pitch
    while True:
        x, y = free_cell(grid, stream, left, top, layout.room_size, 0, 0, 0)
        heading = draw(stream, 0, 4)
        ahead = grid[x + STEP_X[heading], y + STEP_Y[heading], 0]
        if ahead in (EMPTY, WALL):
            return x, y, heading


@compiled_as(BOOLEAN(LAYOUT, PASSAGES))
def all_rooms_connected(layout: Layout, passages: NDArray[np.bool_]) -> bool:
    """Whether passages lead from the agent's room to every room."""
    reached = np.zeros((layout.columns, layout.rows), np.bool_)
    reached[layout.agent_column, layout.agent_row] = True
    count, growing = 1, True
    while growing:
        growing = False
        for column in range(layout.columns):
            for row in range(layout.rows):
                for side in range(4):
                    if reached[column, row] and passages[column, row, side]:
                        next_column, next_row = column + STEP_X[side], row + STEP_Y[side]
                        if not reached[next_column, next_row]:
                            reached[next_column, next_row] = growing = True
                            count += 1
    return count == layout.columns * layout.rows


@compiled_as(VOID(LAYOUT, GRID, STREAM, SLOTS, INT))
def connect_rooms(layout: Layout, grid: Cells, stream: Stream, slots: Slots, ball_row: int) -> None:
    """Add closed doors at random places of a KeyCorridor until every room can be reached.

    No wall gets a second door, and the ball's room none beside its locked one.
    """
    passages = np.zeros((layout.columns, layout.rows, 4), np.bool_)
    for row in range(1, layout.rows):
        passages[1, row, UP] = passages[1, row - 1, DOWN] = True
    passages[2, ball_row, LEFT] = passages[1, ball_row, RIGHT] = True
    while not all_rooms_connected(layout, passages):
        column, row, side = draw(stream, 0, layout.columns), draw(stream, 0, layout.rows), draw(stream, 0, 4)
        next_column, next_row = column + STEP_X[side], row + STEP_Y[side]
        if not (0 <= next_column < layout.columns and 0 <= next_row < layout.rows) or passages[column, row, side]:
            continue
        if (column == 2 and row == ball_row) or (next_column == 2 and next_row == ball_row):
            continue
        x, y = door_place(layout, slots, column, row, side)
        put(grid, x, y, DOOR, draw_colour(stream), CLOSED)
        passages[column, row, side] = passages[next_column, next_row, (side + 2) % 4] = True


@compiled_as(VOID(LAYOUT, GRID, CELLS, STREAM, SLOTS, INT, INT, INT, INT))
def locked_door(
    layout: Layout,
    grid: Cells,
    hidden_key: Cells,
    stream: Stream,
    slots: Slots,
    column: int,
    row: int,
    side: int,
    colour: int,
) -> None:
    """A locked door of a room, with a ball before it if doors are blocked, and its key, bare or in a box, in the room.

    As in gym-minigrid 1.0.1 the ball replaces whatever lies there, even the box with the key of an earlier door.
    """
    x, y = door_place(layout, slots, column, row, side)
    put(grid, x, y, DOOR, colour, LOCKED)
    if layout.blocked:
        before_x, before_y = x - STEP_X[side], y - STEP_Y[side]
        put(grid, before_x, before_y, BALL, GREEN, 0)
        hidden_key[before_x, before_y] = 0
    if layout.key_in_box:
        x, y = place_in_room(layout, grid, stream, column, row, BOX, GREY)
        hidden_key[x, y] = 1 + colour
    else:
        place_in_room(layout, grid, stream, column, row, KEY, colour)


@compiled_as(START(LAYOUT, GRID, STREAM, SLOTS))
def key_corridor(layout: Layout, grid: Cells, stream: Stream, slots: Slots) -> tuple[int, int, int, int]:
    """A ball behind a locked door on the right, its key on the left, a corridor between them."""
    pitch = layout.room_size - 1
    for row in range(1, layout.rows):
        for x in range(pitch + 1, 2 * pitch):
            put(grid, x, row * pitch, EMPTY, 0, 0)
    ball_row = draw(stream, 0, layout.rows)
    door_colour = draw_colour(stream)
    x, y = door_place(layout, slots, 2, ball_row, LEFT)
    put(grid, x, y, DOOR, door_colour, LOCKED)
    ball_colour = draw_colour(stream)
    place_in_room(layout, grid, stream, 2, ball_row, BALL, ball_colour)
    place_in_room(layout, grid, stream, 0, draw(stream, 0, layout.rows), KEY, door_colour)
    x, y, heading = place_agent(layout, grid, stream)
    connect_rooms(layout, grid, stream, slots, ball_row)
    return x, y, heading, ball_colour


@compiled_as(START(LAYOUT, GRID, CELLS, STREAM, SLOTS))
def obstructed_maze(
    layout: Layout, grid: Cells, hidden_key: Cells, stream: Stream, slots: Slots
) -> tuple[int, int, int, int]:
    """A blue ball behind locked doors whose keys may be in boxes and which balls may block."""
    colours = np.array(COLOURS_BY_NAME)
    for drawn in range(6):  # without replacement: what is left keeps its order
        chosen = draw(stream, drawn, 6)
        colour = colours[chosen]
        for k in range(chosen, drawn, -1):
            colours[k] = colours[k - 1]
        colours[drawn] = colour
    if layout.family == OBSTRUCTED_PAIR_FAMILY:
        locked_door(layout, grid, hidden_key, stream, slots, 0, 0, RIGHT, colours[0])
        target_column, target_row = 1, 0
    else:
        for quarter in range(layout.quarters):
            x, y = door_place(layout, slots, 1, 1, quarter)
            put(grid, x, y, DOOR, colours[quarter], CLOSED)
            column, row = SIDE_ROOMS[quarter]
            for turn in (-1, 1):
                colour = colours[(quarter + turn) % 6]
                locked_door(layout, grid, hidden_key, stream, slots, column, row, (quarter + turn) % 4, colour)
        target_column, target_row = CORNERS[draw(stream, 0, layout.quarters)]
    place_in_room(layout, grid, stream, target_column, target_row, BALL, BLUE)
    x, y, heading = place_agent(layout, grid, stream)
    return x, y, heading, BLUE


@compiled_as(START(LAYOUT, GRID, CELLS, STREAM))
def draw_layout(layout: Layout, grid: Cells, hidden_key: Cells, stream: Stream) -> tuple[int, int, int, int]:
    """Fill `grid` and `hidden_key`; returns the agent's x, y and heading, and the colour of the target ball.

    The agent is not yet drawn into the grid.
    """
    hidden_key[:] = 0
    if layout.family == EMPTY_FAMILY:
        return empty_room(layout, grid, stream)
    slots = room_grid(layout, grid, stream)
    if layout.family == KEY_CORRIDOR_FAMILY:
        return key_corridor(layout, grid, stream, slots)
    return obstructed_maze(layout, grid, hidden_key, stream, slots)
