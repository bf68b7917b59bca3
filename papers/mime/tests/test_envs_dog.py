"""The dog-feeding robot: the card's map, walks and goals, and the batched form step by step."""

from __future__ import annotations

import numpy as np
import plain
import pytest
import torch

from mime.envs import batch_of, horizon_of, make
from mime.envs.dog import BOWL_RADIUS, CELLS_PER_UNIT, START, TEST_GOALS, TRAIN_GOALS, DogNavigation2D
from mime.envs.dog_map import CELLS, admissible_cells, admits, blocked_cells
from mime.streams import generator

NAME = "DogNavigation2D-v0"


def from_start() -> np.ndarray:
    column, row = (round(CELLS_PER_UNIT * place) for place in START)
    return plain.dog.steps_from(row, column)


def test_the_map_has_the_released_pictures_cells():
    assert int(blocked_cells().sum()) == 907
    assert int(admissible_cells().sum()) == 7748
    assert int((from_start() >= 0).sum()) == 7719


@pytest.mark.parametrize(("goal", "steps"), [((2.0, 9.0), 71), ((5.3, 4.0), 66), ((8.5, 1.3), 69)])
def test_the_shortest_way_into_each_bowl_has_the_cards_length(goal: tuple[float, float], steps: int):
    reached = from_start()
    rows, columns = np.nonzero(reached >= 0)
    inside = np.hypot(columns / CELLS_PER_UNIT - goal[0], rows / CELLS_PER_UNIT - goal[1]) < BOWL_RADIUS
    assert reached[rows[inside], columns[inside]].min() == steps


def test_the_table_of_cells_is_what_slices_of_the_map_say_and_nobody_can_leave_it():
    table = admissible_cells()
    for row in (-1, 0, 1, 50, CELLS - 1, CELLS):
        for column in range(-1, CELLS + 1):
            assert table[row + 1, column + 1] == admits(row, column)
    assert not table[:2].any()
    assert not table[-2:].any()
    assert not table[:, :2].any()
    assert not table[:, -2:].any()


def test_a_cell_at_the_lower_border_is_blocked_though_nothing_stands_there():
    assert not blocked_cells()[0:2, 37:40].any()
    assert admits(1, 38)
    assert not admits(0, 38)


def test_walking_against_the_door_post_bumps_48_times():
    env = make(NAME, 0)
    env.reset()
    bumps = 0.0
    for _ in range(60):
        observation, *_ = env.step(np.array([0.0, 0.1], dtype=np.float32))
        bumps += observation[2]
    np.testing.assert_allclose(observation, (1.3, 3.2, 1.0), atol=1e-6)
    assert bumps == 48


def test_halves_are_rounded_to_even():
    env = DogNavigation2D()
    env.reset()
    for start, row in ((3.05, 30), (3.15, 32)):  # 10 times them is 30.5 and 31.5 exactly
        assert CELLS_PER_UNIT * start == int(CELLS_PER_UNIT * start) + 0.5
        assert np.rint(CELLS_PER_UNIT * start) == row
    for height, bumped in ((3.25, 0.0), (3.35, 1.0)):  # 32.5 -> 32 has room below the wall at 34, 33.5 -> 34 has none
        env.position = np.array([1.3, height])
        assert env.step(np.zeros(2))[0][2] == bumped


def test_a_blocked_move_is_not_made_at_all_and_the_flag_clears_with_the_next_free_one():
    env = DogNavigation2D()
    env.reset()
    env.position = np.array([1.3, 3.2])
    np.testing.assert_allclose(env.step(np.array([0.1, 0.1]))[0], (1.3, 3.2, 1.0), atol=1e-6)
    np.testing.assert_allclose(env.step(np.array([0.1, 0.0]))[0], (1.4, 3.2, 0.0), atol=1e-6)


def test_positions_are_float64_while_observations_are_float32_copies():
    env = make(NAME, 0)
    first = env.reset()
    env.step(np.array([0.05, 0.0]))
    assert env.unwrapped.position.dtype == np.float64
    assert first.dtype == np.float32
    assert first.tolist() == [np.float32(1.3), 2.0, 0.0]


def test_tasks_are_always_the_three_bowls_and_tests_two_of_them():
    env = make(NAME, 0).unwrapped
    assert [tuple(task["goal"]) for task in env.sample_tasks(10)] == list(TRAIN_GOALS)
    assert [tuple(task["goal"]) for task in env.sample_test_tasks(10)] == list(TEST_GOALS)


def test_only_the_time_limit_ends_an_episode():
    env = make(NAME, 0)
    env.reset()
    ends = [env.step(np.zeros(2))[2] for _ in range(1000)]
    assert ends == [False] * 999 + [True]
    assert horizon_of(NAME) == 1000


@pytest.mark.parametrize("sparse", [True, False])
def test_every_step_of_the_batched_form_equals_the_gym_environment(sparse: bool):
    env = make(NAME, 0, sparse=sparse)
    tasks = [*env.unwrapped.sample_tasks(10), {"goal": np.array([1.5, 2.7])}]
    horizon, episodes = 400, 3
    drift = 0.08 * torch.randn(4, episodes, 2, generator=generator(0, 0, "drift"))
    actions = drift + 0.15 * torch.randn(horizon, 4, episodes, 2, generator=generator(0, 0, "actions"))
    batched = batch_of(env.unwrapped, tasks, episodes, horizon)
    first = batched.reset()
    stepped = [batched.step(action) for action in actions]
    for k, task in enumerate(tasks):
        env.unwrapped.reset_task(task)
        for b in range(episodes):
            np.testing.assert_array_equal(env.reset(), first[k, b].numpy())
            for t in range(horizon):
                observation, reward, _, info = env.step(actions[t, k, b].numpy())
                np.testing.assert_array_equal(observation, stepped[t][0][k, b].numpy())
                assert np.float32(reward) == float(stepped[t][1][k, b])
                assert info["success"] == float(stepped[t][2][k, b])
    bumps = torch.stack([step[0][..., 2] for step in stepped])
    assert 0 < float(bumps.mean()) < 1
    assert sum(float(step[2].sum()) for step in stepped) > 0


def test_resetting_the_batched_form_puts_every_robot_back():
    env = make(NAME, 0).unwrapped
    batched = batch_of(env, env.sample_tasks(3), 2, 10)
    first = batched.reset().clone()
    batched.step(torch.full((3, 2, 2), 0.1))
    assert torch.equal(batched.reset(), first)
    assert first.shape == (3, 2, 3)


def test_actions_that_are_no_numbers_move_nobody():
    env = make(NAME, 0).unwrapped
    batched = batch_of(env, env.sample_tasks(3), 1, 10)
    observation, _, _ = batched.step(torch.full((3, 1, 2), torch.nan))
    assert observation[..., 2].all()
    torch.testing.assert_close(observation[..., :2], torch.tensor(START).expand(3, 1, 2))
