"""The tasks of the KeyCorridor, ObstructedMaze and Empty families, with the numbers their layouts are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mirl.config import choose

NUM_ACTIONS = 7
"""Turn left, turn right, forward, pick up, drop, toggle, done (card 4.1)."""

EMPTY_FAMILY, KEY_CORRIDOR_FAMILY, OBSTRUCTED_PAIR_FAMILY, OBSTRUCTED_MAZE_FAMILY = range(4)


class Layout(NamedTuple):
    """What the compiled functions know of a task; whole numbers only."""

    family: int
    """One of the four families; 1Dl, 1Dlh and 1Dlhb are pairs of rooms, the other ObstructedMazes 3 × 3 rooms."""
    width: int
    """Cells from left to right, walls included."""
    height: int
    """Cells from top to bottom, walls included."""
    max_steps: int
    """Steps after which an episode ends."""
    room_size: int = 0
    """Side of a room in cells, walls included."""
    columns: int = 0
    """Rooms from left to right."""
    rows: int = 0
    """Rooms from top to bottom."""
    agent_column: int = 0
    """Column of the room in which the agent starts."""
    agent_row: int = 0
    """Row of the room in which the agent starts."""
    key_in_box: int = 0
    """1 where each key lies hidden in a box."""
    blocked: int = 0
    """1 where a ball stands before each locked door."""
    quarters: int = 0
    """How many side rooms of an ObstructedMaze have doors, and how many corners may hold its target."""
    random_start: int = 0
    """1 where the agent of an Empty task starts anywhere rather than at the top left."""


@dataclass(frozen=True)
class Task:
    """A task by the name that this suite gives it."""

    name: str
    """As in reproduce.yaml: gym-minigrid's id without MiniGrid- and -v0."""
    layout: Layout

    @property
    def gym_id(self) -> str:
        """The id under which gym-minigrid registers the task."""
        return f"MiniGrid-{self.name}-v0"

    @property
    def width(self) -> int:
        return self.layout.width

    @property
    def height(self) -> int:
        return self.layout.height

    @property
    def max_steps(self) -> int:
        return self.layout.max_steps


def empty(size: int, *, random_start: bool = False) -> Layout:
    """A room of size × size cells with the goal at the bottom right; 4·size² steps."""
    return Layout(EMPTY_FAMILY, size, size, 4 * size**2, random_start=int(random_start))


def key_corridor(room_size: int, rows: int) -> Layout:
    """Three columns of rooms, the middle one a corridor; 30·room_size² steps (card 4.2)."""
    width, height = 3 * (room_size - 1) + 1, rows * (room_size - 1) + 1
    return Layout(
        KEY_CORRIDOR_FAMILY, width, height, 30 * room_size**2, room_size, 3, rows, agent_column=1, agent_row=rows // 2
    )


def obstructed_pair(*, key_in_box: bool, blocked: bool) -> Layout:
    """Two rooms with a locked door between them; 4·2·6² steps (card 4.2)."""
    return Layout(OBSTRUCTED_PAIR_FAMILY, 11, 6, 288, 6, 2, 1, key_in_box=int(key_in_box), blocked=int(blocked))


def obstructed_maze(
    agent_room: tuple[int, int], quarters: int, rooms_visited: int, *, key_in_box: bool = True, blocked: bool = True
) -> Layout:
    """Three by three rooms with the target in one of `quarters` corners; 4·rooms_visited·6² steps (card 4.2)."""
    max_steps = 4 * rooms_visited * 36
    return Layout(
        OBSTRUCTED_MAZE_FAMILY, 16, 16, max_steps, 6, 3, 3, *agent_room, int(key_in_box), int(blocked), quarters
    )


LAYOUTS = {
    "Empty-5x5": empty(5),
    "Empty-6x6": empty(6),
    "Empty-8x8": empty(8),
    "Empty-16x16": empty(16),
    "Empty-Random-5x5": empty(5, random_start=True),
    "Empty-Random-6x6": empty(6, random_start=True),
    "KeyCorridorS3R1": key_corridor(3, 1),
    "KeyCorridorS3R2": key_corridor(3, 2),
    "KeyCorridorS3R3": key_corridor(3, 3),
    "KeyCorridorS4R3": key_corridor(4, 3),
    "KeyCorridorS5R3": key_corridor(5, 3),
    "KeyCorridorS6R3": key_corridor(6, 3),
    "ObstructedMaze-1Dl": obstructed_pair(key_in_box=False, blocked=False),
    "ObstructedMaze-1Dlh": obstructed_pair(key_in_box=True, blocked=False),
    "ObstructedMaze-1Dlhb": obstructed_pair(key_in_box=True, blocked=True),
    "ObstructedMaze-2Dl": obstructed_maze((2, 1), 1, 4, key_in_box=False, blocked=False),
    "ObstructedMaze-2Dlh": obstructed_maze((2, 1), 1, 4, blocked=False),
    "ObstructedMaze-2Dlhb": obstructed_maze((2, 1), 1, 4),
    "ObstructedMaze-1Q": obstructed_maze((1, 1), 1, 5),
    "ObstructedMaze-2Q": obstructed_maze((1, 1), 2, 11),
    "ObstructedMaze-Full": obstructed_maze((1, 1), 4, 25),
}
TASKS = {name: Task(name, layout) for name, layout in LAYOUTS.items()}
"""Every task that gym-minigrid 1.0.1 registers of the three families."""


def find_task(name: str) -> Task:
    """The task that `name` means, with or without MiniGrid-…-v0, case ignored; raises mirl.config.ConfigError."""
    short = name[len("minigrid-") :] if name.lower().startswith("minigrid-") else name
    short = short[: -len("-v0")] if short.lower().endswith("-v0") else short
    return TASKS[choose("task", short, TASKS, " in paper amigo")]
