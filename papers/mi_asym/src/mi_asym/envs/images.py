"""What the robot's camera sees, computed from the boxes that the scene is made of (card 4.5).

The camera looks straight down, orthographically, and moves with the gripper. Row and column of a pixel count along x
and y of the workspace; pixel (42, 42) lies under the gripper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 84
"""Pixels along each side."""
EXTENT = 0.4
"""Metres along each side."""
METRES_PER_PIXEL = EXTENT / SIZE
OFFSETS = (np.arange(SIZE) - SIZE / 2) * METRES_PER_PIXEL
"""x of each row, and y of each column, from the gripper; metres."""
PARALLEL = 1e-9
"""A cosine below it is nought: a vertical line does not cross such a face."""


@dataclass(frozen=True)
class Box:
    """A solid box in the world."""

    centre: np.ndarray
    """(3,), metres."""
    rotation: np.ndarray
    """(3, 3), from the box's axes to the world's."""
    half_extents: np.ndarray
    """(3,), metres."""


def heights(boxes: Sequence[Box], middle: np.ndarray) -> np.ndarray:
    """Height of the terrain under each pixel, metres, float64 (84, 84); `middle` is the camera's (x, y).

    The floor is 0. A vertical line through a pixel enters and leaves each of a box's three pairs of parallel planes;
    it is inside the box where it is between all of them.
    """
    terrain = np.zeros((SIZE, SIZE))
    for box in boxes:
        reach = np.abs(box.rotation[:2]) @ box.half_extents
        offset = box.centre[:2] - middle
        rows, columns = (window(offset[axis], reach[axis]) for axis in (0, 1))
        if rows.start < rows.stop and columns.start < columns.stop:
            top = box_top(box, middle, rows, columns)
            np.maximum(terrain[rows, columns], top, out=terrain[rows, columns])
    return terrain


def window(offset: float, reach: float) -> slice:
    """The pixels of one axis whose lines may meet a box `offset` metres away that reaches `reach` metres."""
    first = int(np.ceil((offset - reach) / METRES_PER_PIXEL + SIZE / 2))
    last = int(np.floor((offset + reach) / METRES_PER_PIXEL + SIZE / 2))
    return slice(max(first, 0), min(last + 1, SIZE))


def box_top(box: Box, middle: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Height at which vertical lines leave a box, -inf where they miss it; float64, as large as the window."""
    x = (OFFSETS[rows] + middle[0] - box.centre[0])[:, None]
    y = (OFFSETS[columns] + middle[1] - box.centre[1])[None, :]
    enter: np.ndarray | float = -np.inf
    leave: np.ndarray | float = np.inf
    for axis in range(3):
        along = box.rotation[0, axis] * x + box.rotation[1, axis] * y
        slope, half = box.rotation[2, axis], box.half_extents[axis]
        if abs(slope) < PARALLEL:
            leave = np.where(np.abs(along) <= half, leave, -np.inf)
        else:
            near, far = (-np.sign(slope) * half - along) / slope, (np.sign(slope) * half - along) / slope
            enter, leave = np.maximum(enter, near), np.minimum(leave, far)
    top: np.ndarray = np.where(leave >= enter, leave + box.centre[2], -np.inf)
    return top


def inside_rectangle(offset: np.ndarray, heading: float, half_extents: tuple[float, float]) -> np.ndarray:
    """The pixels of a rectangle lying `offset` metres (x, y) from the camera, turned by `heading`: bool (84, 84)."""
    x, y = (OFFSETS - offset[0])[:, None], (OFFSETS - offset[1])[None, :]
    along, across = np.cos(heading) * x + np.sin(heading) * y, np.cos(heading) * y - np.sin(heading) * x
    inside: np.ndarray = (np.abs(along) <= half_extents[0]) & (np.abs(across) <= half_extents[1])
    return inside


def observation_of(depth: np.ndarray, holding: np.ndarray) -> np.ndarray:
    """Flat observations, float32 (K, 14112): the depth image, then a plane that says whether the gripper holds.

    depth: float16 (K, 84, 84); holding: bool (K,).
    """
    planes = np.empty((len(depth), 2, SIZE, SIZE), np.float32)
    planes[:, 0], planes[:, 1] = depth, np.asarray(holding)[:, None, None]
    return planes.reshape(len(depth), -1)


def state_of(depth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Flat states, float32 (K, 14112): the depth image, then where the object that can move is seen.

    depth: float16 (K, 84, 84); mask: bool (K, 84, 84). Our stand-in: the original's is not known (card 4.5).
    """
    return np.stack((depth, mask), 1).astype(np.float32).reshape(len(depth), -1)
