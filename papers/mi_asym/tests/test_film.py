"""What films of grids show: the way, the information, and whether it was seen."""

from __future__ import annotations

import numpy as np
import pytest

from mi_asym.envs import make_batch
from mi_asym.envs.pictures import GOAL, INFORMATION, OTHER_END, WAY, look_of
from mi_asym.film import Grid, words
from mi_asym.rollout import Episode


def test_cells_are_marked_by_what_they_mean():
    grid = make_batch("heaven_hell", 1, 0).grid
    assert look_of(grid, 34, 1) == (INFORMATION, "i")
    assert look_of(grid, 6, 1) == (GOAL, "+1")
    assert look_of(grid, 0, 1) == (OTHER_END, "-1")


def test_a_grids_film_keeps_the_way_and_what_was_seen():
    environments = make_batch("heaven_hell", 1, 0)
    environments.reset()
    draw = Grid(environments)
    first = draw.frame()
    assert not (first == WAY).all(axis=-1).any()
    for action in (3, 0, 0, 0):  # down, then to the right, where the goal is told
        assert not draw.told
        environments.step(np.array([action]))
        last = draw.frame()
    assert draw.told
    assert draw.way == [24, 31, 32, 33, 34]
    assert (last == WAY).all(axis=-1).sum() > 100


@pytest.mark.parametrize(("informed", "said"), [(True, "after visiting"), (False, "without visiting")])
def test_a_films_words_tell_the_outcome(informed: bool, said: str):
    caption, alternative = words("heaven_hell", Episode(9, -1.0, False, informed, {}))
    assert "it does not succeed, return -1.00 after 9 steps" in caption
    assert said in alternative
