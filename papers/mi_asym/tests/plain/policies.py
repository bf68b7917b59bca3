"""The scripted policies of card 9.2, written for reading: one gym environment, one step at a time."""

from __future__ import annotations

from collections import deque
from functools import cache

from mi_asym.envs.gridworld import Gridworld


def first_step(grid: Gridworld, ends: set[int], avoid: set[int]) -> int:
    """The first action of a shortest way from the agent's cell to one of `ends`, around `avoid`."""
    return searched(type(grid), grid.cell, frozenset(ends), frozenset(avoid))


@cache
def searched(kind: type[Gridworld], start: int, ends: frozenset[int], avoid: frozenset[int]) -> int:
    """Breadth-first search, remembered: policies ask the same again and again."""
    grid = kind()
    waiting, seen = deque([(start, -1)]), {start}
    while waiting:
        cell, first = waiting.popleft()
        if cell in ends and first >= 0:
            return first
        for action in range(4):
            target = grid.move(cell, action)
            if target not in seen and (target in ends or target not in avoid):
                seen.add(target)
                waiting.append((target, action if first < 0 else first))
    raise ValueError(f"no way from {start} to {set(ends)}")


def informed(grid: Gridworld, memory: dict[str, int]) -> int:
    """To the nearest information cell first, then to the goal; no other end is entered on the way."""
    ends, goal = few_ends(grid), grid.goal_cells[grid.goal]
    memory["informed"] = memory.get("informed", 0) or int(grid.cell in grid.information_cells)
    return (
        first_step(grid, {goal}, ends - {goal})
        if memory["informed"]
        else first_step(grid, set(grid.information_cells), ends)
    )


def oracle(grid: Gridworld, memory: dict[str, int]) -> int:
    """Straight to the goal, knowing it."""
    goal = grid.goal_cells[grid.goal]
    return first_step(grid, {goal}, few_ends(grid) - {goal})


def blind(grid: Gridworld, memory: dict[str, int]) -> int:
    """To a candidate chosen by the episode's number, whatever the goal is."""
    guess = grid.goal_cells[grid.episode % len(grid.goal_cells)]
    return first_step(grid, {guess}, few_ends(grid) - {guess})


def few_ends(grid: Gridworld) -> set[int]:
    """The cells that may end an episode, where they are few enough to be known."""
    return set(grid.goal_cells) if len(grid.goal_cells) <= 3 else set()
