"""The house that the dog-feeding robot drives through, on a grid of 100 x 100 cells of 0.1 length units.

Source: card 4.2, whose runs of blocked cells rebuild the picture that came with the released code.
"""

from __future__ import annotations

from functools import cache

import numpy as np

CELLS = 100
"""Per axis; cell (row, column) stands for the position (column, row) / 10, row 0 is the bottom."""

HORIZONTAL_WALLS = """
0:0-35 0:41-99 23:0-5 23:18-32 24:44-62 25:73-99 27:84-86 28:86-88 30:88-90 31:90-93 33:82-84 33:93-95 34:0-28
34:41-44 34:84-86 34:95-97 36:86-88 36:97-99 37:88-90 39:90-93 40:93-95 42:95-97 43:97-99 57:0-10 57:22-47 57:58-62
68:73-99 69:44-62 79:0-26 79:38-44 99:0-99
"""
"""row:first column-last column."""
VERTICAL_WALLS = """
0:0-99 32:0-23 44:0-10 44:20-57 44:69-99 62:24-28 62:39-57 62:69-72 62:82-99 73:0-6 73:16-46 73:56-72 73:82-99
82:25-33 84:25-34 86:27-36 88:28-37 90:30-39 93:31-40 95:33-42 97:34-43 99:0-99
"""
"""column:first row-last row."""


@cache
def blocked_cells() -> np.ndarray:
    """True where a wall is, (row, column)."""
    blocked = np.zeros((CELLS, CELLS), dtype=bool)
    for lines, walls in ((blocked, HORIZONTAL_WALLS), (blocked.T, VERTICAL_WALLS)):
        for wall in walls.split():
            line, _, run = wall.partition(":")
            first, _, last = run.partition("-")
            lines[int(line), int(first) : int(last) + 1] = True
    blocked.flags.writeable = False
    return blocked


def admits(row: int, column: int) -> bool:
    """Whether the robot, which covers 3 x 3 cells, may stand here.

    At the borders the covered cells are what a slice of the map yields: what is left of it at the upper ones, and at
    index -1 nothing at all, which blocks.
    """
    covered = blocked_cells()[row - 1 : row + 2, column - 1 : column + 2]
    return covered.size > 0 and not covered.any()


@cache
def admissible_cells() -> np.ndarray:
    """`admits` for rows and columns from -1 to 100: entry (row + 1, column + 1). The outermost are all False."""
    around = range(-1, CELLS + 1)
    admissible = np.array([[admits(row, column) for column in around] for row in around])
    admissible.flags.writeable = False
    return admissible
