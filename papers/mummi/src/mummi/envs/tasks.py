"""The seven tasks by name and size; nothing here needs a simulator or a drawing library."""

from __future__ import annotations

import difflib
from typing import NamedTuple


class Task(NamedTuple):
    """One task."""

    domain: str
    """dm_control's domain; `table_wiping` is ours."""
    name: str
    """dm_control's task in that domain."""
    camera: int
    """Number of the model's camera (card 4.1)."""
    action_size: int
    touch_size: int
    """Numbers of the third sensor: touch, and in table wiping force and torque at the wrist."""


TASKS: dict[str, Task] = {
    "walker_walk": Task("walker", "walk", 0, 6, 2),
    "walker_stand": Task("walker", "stand", 0, 6, 2),
    "finger_spin": Task("finger", "spin", 0, 2, 2),
    "cheetah_run": Task("cheetah", "run", 0, 6, 2),
    "quadruped_walk": Task("quadruped", "walk", 2, 12, 4),
    "cup_catch": Task("ball_in_cup", "catch", 0, 2, 1),
    "table_wiping": Task("table_wiping", "wipe", 0, 3, 6),
}
"""Sources: cards 4.1, 4.3; table_wiping is a stand-in of our own (card 4.9)."""

PICTURE_SIZE = 64
"""Rows and columns of image and depth."""
SENSORS = ("touch", "image", "depth")
"""The modalities that may be missing, in the order in which chance decides on them (card 4.6)."""


def task_named(name: str) -> str:
    """The task's own name for `walker_walk` or the original's `dmc_walker_walk`, in any case of letters.

    Raises ValueError, in one line, where there is none.
    """
    short = name.lower().removeprefix("dmc_")
    if short in TASKS:
        return short
    near = difflib.get_close_matches(short, TASKS, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"no task {name!r}{meant} (tasks: {', '.join(TASKS)})")


def sizes_of(task: str) -> tuple[int, int]:
    """Numbers in an action and in a touch observation."""
    known = TASKS[task_named(task)]
    return known.action_size, known.touch_size
