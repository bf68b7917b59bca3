"""The threshold t*: the card's traces (card 3.1, 5.5, 5.6, 9.3)."""

from __future__ import annotations

import numpy as np
import pytest

from amigo.difficulty import Difficulty


def climb(updates: int, mean_reward: float = 0.0, threshold: float = -0.5) -> list[int]:
    difficulty, targets = Difficulty(), []
    for _ in range(updates):
        difficulty = difficulty.climbing(mean_reward, threshold, counts=10, maximum=100)
        targets.append(difficulty.target)
    return targets


def test_without_failures_the_threshold_climbs_one_step_per_ten_updates_to_101():
    targets = climb(25427)
    assert targets[:9] == [7] * 9
    assert targets[9] == 8
    assert targets[938:940] == [100, 101]
    assert set(targets[939:]) == {101}


def test_the_released_runs_mean_of_the_threshold_is_met_exactly():
    targets = np.array(climb(25427))
    assert targets.mean() == pytest.approx(99.247689, abs=5e-7)
    assert targets.std(ddof=1) == pytest.approx(10.354448, abs=5e-7)
    assert np.percentile(targets, 25) == 101


def test_a_failure_begins_the_count_anew():
    difficulty = Difficulty(successes=9)
    assert difficulty.climbing(-0.2, -0.1, 10, 100) == Difficulty(7, 0)
    assert difficulty.climbing(-0.1, -0.1, 10, 100) == Difficulty(8, 0)


def test_the_climb_stops_above_the_maximum():
    assert Difficulty(100, 9).climbing(0, -0.5, 10, 100).target == 101
    assert Difficulty(101, 9).climbing(0, -0.5, 10, 100).target == 101


def test_with_the_readmes_flags_the_adaptive_threshold_never_moves():
    difficulty = Difficulty()
    for _ in range(500):
        difficulty = difficulty.adapting(-0.3, 0.9, threshold=-0.5, counts=10)
    assert difficulty.target == 7


def test_with_the_branchs_start_the_adaptive_threshold_falls_to_20_and_stays():
    difficulty, targets = Difficulty(100), []
    for _ in range(900):
        difficulty = difficulty.adapting(0.0, 0.0, threshold=-0.5, counts=10)
        targets.append(difficulty.target)
    assert targets[8:10] == [100, 99]
    assert targets[799] == 20
    assert targets[-1] == 20


def test_the_adaptive_threshold_rises_by_failures_that_need_not_be_consecutive():
    difficulty = Difficulty()
    for number in range(19):
        difficulty = difficulty.adapting(-1.0 if number % 2 == 0 else 1.0, 0.0, -0.1, 10)
    assert difficulty == Difficulty(8)


def test_a_solved_task_lowers_the_adaptive_threshold_at_once():
    assert Difficulty(50, 3, 4).adapting(-1.0, 0.8, -0.1, 10) == Difficulty(49)
    assert Difficulty(20, 3, 4).adapting(-1.0, 0.8, -0.1, 10) == Difficulty(20, 3, 5)


def test_the_adaptive_threshold_stays_below_270():
    assert Difficulty(270, 0, 9).adapting(-1.0, 0.0, -0.1, 10) == Difficulty(270, 0, 10)
