"""Pictures of a grid, for whoever watches: no agent sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PIXELS_PER_CELL = 48
WIDEST = 480
"""Pixels of the longer side; cells of a large grid are smaller."""
WALL, FREE, LINE = (60, 66, 72), (255, 255, 255), (205, 205, 205)
INFORMATION, GOAL, OTHER_END, AGENT, WAY, INK = (
    (255, 220, 90), (70, 180, 90), (220, 90, 80), (40, 90, 215), (150, 180, 245), (20, 25, 30),
)  # fmt: skip


class Grid(Protocol):
    """As much of a gridworld as a picture shows."""

    rows: int
    columns: int
    goal_cells: tuple[int, ...]
    information_cells: frozenset[int]

    def is_free(self, cell: int) -> bool: ...

    def arrival(self, cell: int, goal: int) -> Any: ...


def draw_frame(grid: Grid, cell: int, goal: int, way: Sequence[int] = ()) -> np.ndarray:
    """Walls dark, information yellow and marked i, ends with their reward, the goal green, other ends red, the agent
    and its way blue: uint8 (height, width, 3)."""
    size = min(PIXELS_PER_CELL, WIDEST // max(grid.rows, grid.columns))
    image = Image.new("RGB", (size * grid.columns, size * grid.rows), FREE)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=size * 2 // 5)
    for index in range(grid.rows * grid.columns):
        top, left = (size * place for place in divmod(index, grid.columns))
        colour, label = look_of(grid, index, goal)
        draw.rectangle((left, top, left + size - 1, top + size - 1), colour, LINE)
        draw.text((left + size / 2, top + size / 2), label, INK, font, anchor="mm")
    if len(way) > 1:
        draw.line([middle(grid, one, size) for one in way], WAY, max(2, size // 8), joint="curve")
    across, down = middle(grid, cell, size)
    radius = size * 0.3
    draw.ellipse((across - radius, down - radius, across + radius, down + radius), AGENT, FREE, 2)
    return np.asarray(image)


def look_of(grid: Grid, index: int, goal: int) -> tuple[tuple[int, int, int], str]:
    """Colour of a cell, and what is written on it."""
    arrival = grid.arrival(index, goal)
    if not grid.is_free(index):
        return WALL, ""
    if index in grid.information_cells:
        return INFORMATION, "i"
    if index == grid.goal_cells[goal] or arrival.done:
        return (GOAL if arrival.success else OTHER_END), f"{arrival.reward:+g}"
    return FREE, ""


def middle(grid: Grid, cell: int, size: int) -> tuple[float, float]:
    """Of a cell, in pixels from the left and from the top."""
    row, column = divmod(cell, grid.columns)
    return size * (column + 0.5), size * (row + 0.5)
