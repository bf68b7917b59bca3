"""The pendulum: the card's steps and tasks, and the batched form step by step."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from mime.envs import batch_of, horizon_of, make
from mime.envs.pendulum import MAX_SPEED, START_ANGLES, TEST_PAIRS, TRAIN_PAIRS, MetaPendulum, as_task
from mime.streams import generator

NAME = "MetaPendulum-v0"


def test_the_cards_two_steps_of_the_dense_variant():
    env = MetaPendulum(sparse=False)
    env.reset_task({"mass": 0.5, "length": 0.4})
    env.reset_to(3.1, 0.0)
    observation, reward, done, _ = env.step(np.array([2.0]))
    np.testing.assert_allclose(observation, (-0.749162, -0.662387, 7.655927), atol=1e-5)
    assert reward == pytest.approx(-0.748152, abs=1e-5)
    observation, reward, done, _ = env.step(np.array([-5.0]))  # clipped to -2
    np.testing.assert_allclose(observation, (-0.881768, -0.471682, -2.328023), atol=1e-5)
    assert reward == pytest.approx(-0.775994, abs=1e-5)
    assert not done


@pytest.mark.parametrize(("sparse", "expected"), [(False, 0.0), (True, 1.0)])
def test_standing_upright_is_success_in_both_variants(sparse: bool, expected: float):
    env = MetaPendulum(sparse)
    env.reset_to(0.0, 0.0)
    _, reward, _, info = env.step(np.zeros(1))
    assert reward == pytest.approx(expected, abs=1e-12)
    assert info["success"] == 1.0


@pytest.mark.parametrize(("angle", "success"), [(4.9e-4, 1.0), (5.1e-4, 0.0), (2 * np.pi + 4.9e-4, 1.0)])
def test_half_a_thousandth_of_a_radian_is_the_difference(angle: float, success: float):
    env = MetaPendulum(sparse=True)
    env.reset_task({"mass": 0.5, "length": 0.7})
    env.angle, env.speed = angle, 0.0
    hold = -env.mass * env.length**2 / 3 * (-30 / (2 * env.length) * np.sin(angle + np.pi))  # cancels gravity
    _, reward, _, info = env.step(np.array([hold]))
    assert (reward, info["success"]) == (success, success)


def test_the_angle_moves_by_the_speed_before_it_is_clipped():
    env = MetaPendulum()
    env.reset_task({"mass": 0.5, "length": 0.4})
    env.reset_to(3.0, 19.5)
    pull = -30 / 0.8 * np.sin(float(np.float32(3.0)) + np.pi) * 0.1
    env.step(np.array([2.0]))
    assert env.speed == MAX_SPEED
    assert env.angle == pytest.approx(3.0 + 0.1 * (19.5 + pull + 7.5))


def test_episodes_start_hanging_and_in_float32():
    env = make(NAME, 0)
    angles = []
    for _ in range(50):
        observation = env.reset()
        assert observation.dtype == np.float32
        assert env.unwrapped.angle == float(np.float32(env.unwrapped.angle))
        assert abs(env.unwrapped.speed) <= 0.01
        angles.append(env.unwrapped.angle)
    assert START_ANGLES[0] <= min(angles) < 3.05
    assert 3.23 < max(angles) <= START_ANGLES[1]


def drawn(every_task: bool) -> set[tuple[float, float]]:
    env = make(NAME, 0, every_task=every_task).unwrapped
    return {(task["mass"], task["length"]) for task in env.sample_tasks(500)}


def test_the_sixth_training_pair_is_drawn_only_when_every_task_is():
    assert drawn(every_task=False) == set(TRAIN_PAIRS[:-1])
    assert drawn(every_task=True) == set(TRAIN_PAIRS)


def test_tests_are_four_draws_with_replacement_or_each_pair_once():
    env = make(NAME, 0).unwrapped
    batches = [Counter((task["mass"], task["length"]) for task in env.sample_test_tasks(9)) for _ in range(50)]
    assert all(sum(batch.values()) == 4 for batch in batches)
    assert max(max(batch.values()) for batch in batches) > 1
    assert set().union(*batches) == set(TEST_PAIRS)
    every = make(NAME, 0, every_task=True).unwrapped.sample_test_tasks(9)
    assert [(task["mass"], task["length"]) for task in every] == list(TEST_PAIRS)


def test_only_the_time_limit_ends_an_episode():
    env = make(NAME, 0)
    env.reset()
    assert [env.step(np.zeros(1))[2] for _ in range(50)] == [False] * 49 + [True]
    assert horizon_of(NAME) == 50


@pytest.mark.parametrize("sparse", [True, False])
def test_every_step_of_the_batched_form_equals_the_gym_environment(sparse: bool):
    env = make(NAME, 0, sparse=sparse)
    tasks = [as_task(pair) for pair in (*TRAIN_PAIRS[::2], TEST_PAIRS[0])]
    horizon, episodes = 50, 3
    actions = 2.5 * torch.randn(horizon, 4, episodes, 1, generator=generator(0, 0, "actions"))
    batched = batch_of(env.unwrapped, tasks, episodes, horizon)
    starts = torch.rand(2, 4, episodes, generator=generator(0, 0, "starts"), dtype=torch.float64)
    angles, speeds = 3 + 0.28 * starts[0], 0.02 * starts[1] - 0.01
    angles[1, 1] = speeds[1, 1] = 0  # this one stands upright at first
    actions[0, 1, 1] = 0
    first = batched.reset_to(angles, speeds)  # type: ignore[attr-defined]
    stepped = [batched.step(action) for action in actions]
    for k, task in enumerate(tasks):
        env.unwrapped.reset_task(task)
        for b in range(episodes):
            env.reset()
            started = env.unwrapped.reset_to(float(angles[k, b]), float(speeds[k, b]))
            np.testing.assert_allclose(started, first[k, b].numpy(), rtol=0, atol=1e-6)
            for t in range(horizon):
                observation, reward, _, info = env.step(actions[t, k, b].numpy())
                np.testing.assert_allclose(observation, stepped[t][0][k, b].numpy(), rtol=1e-6, atol=1e-6)
                assert reward == pytest.approx(float(stepped[t][1][k, b]), abs=1e-6)
                assert info["success"] == float(stepped[t][2][k, b])
    assert float(stepped[0][2].sum()) == 1


def test_batched_episodes_start_as_the_gym_environments_do_and_anew_at_each_reset():
    env = make(NAME, 0).unwrapped
    tasks = env.sample_tasks(5)
    batched, again, other = (batch_of(env, tasks, 40, 50, seed=seed) for seed in (3, 3, 4))
    first = batched.reset()
    assert first.shape == (5, 40, 3)
    angles, speeds = torch.atan2(first[..., 1], first[..., 0]) % (2 * torch.pi), first[..., 2]
    assert START_ANGLES[0] - 1e-6 <= float(angles.min()) < 3.05
    assert 3.23 < float(angles.max()) <= START_ANGLES[1] + 1e-6
    assert 0.009 < float(speeds.abs().max()) <= 0.01
    assert torch.equal(first, again.reset())
    assert not torch.equal(first, other.reset())
    second = batched.reset()
    assert not torch.equal(first, second)
    assert torch.equal(second, again.reset())
