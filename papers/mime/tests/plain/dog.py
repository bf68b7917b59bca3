"""The shortest ways through the dog's house, by breadth first, for its ceilings (card 3, 9.8)."""

from __future__ import annotations

from collections import deque

import numpy as np

from mime.envs.dog_map import CELLS, admits


def steps_from(row: int, column: int) -> np.ndarray:
    """Least number of moves from a cell to each other one, along rows, columns and diagonals, -1 where there is no
    way; (row, column)."""
    steps = np.full((CELLS, CELLS), -1)
    steps[row, column] = 0
    ahead = deque([(row, column)])
    while ahead:
        row, column = ahead.popleft()
        for beside in [(row + up, column + right) for up in (-1, 0, 1) for right in (-1, 0, 1)]:
            if admits(*beside) and steps[beside] < 0:
                steps[beside] = steps[row, column] + 1
                ahead.append(beside)
    return steps
