"""Environments: the card's numbers, gym's API, and the batched form step by step."""

from __future__ import annotations

import gym
import numpy as np
import pytest
import torch

from mime.envs import batch_of, horizon_of, make
from mime.streams import generator

SETTINGS = {
    "wide": ("2DNavigationSparse-v0", 5.0, 9.0),
    "hard": ("2DNavigationSparse-v0", 8.0, 9.0),
    "close": ("2DNavigationSparseLong-v0", 5.0, 5.5),
}


def environment(name: str, seed: int = 0) -> gym.Env:
    identifier, low, high = SETTINGS[name]
    return make(identifier, seed, low=low, high=high)


def test_seed_zero_draws_the_released_codes_goals():
    goals = [task["goal"] for task in environment("wide").unwrapped.sample_tasks(3)]
    expected = [(2.71323604, -6.23166628), (0.39037736, -6.36704135), (8.18603295, -0.94565733)]
    np.testing.assert_allclose(goals, expected, atol=1e-7)


@pytest.mark.parametrize("name", SETTINGS)
def test_training_goals_lie_strictly_inside_the_ring(name: str):
    _, low, high = SETTINGS[name]
    distances = [np.linalg.norm(task["goal"]) for task in environment(name).unwrapped.sample_tasks(200)]
    assert low < min(distances)
    assert max(distances) < high


@pytest.mark.parametrize(("name", "radii"), [("wide", (5.5, 8.5)), ("hard", (8.5,)), ("close", (5.25,))])
def test_test_goals_are_the_compass_whatever_number_is_asked_for(name: str, radii: tuple[float, ...]):
    goals = [task["goal"] for task in environment(name).unwrapped.sample_test_tasks(3)]
    expected = []
    for r in radii:
        q = r / np.sqrt(2)
        expected += [(0, r), (r, 0), (0, -r), (-r, 0), (q, q), (q, -q), (-q, -q), (-q, q)]
    np.testing.assert_allclose(goals, expected)


def test_other_rings_are_tested_on_random_goals():
    other = make("2DNavigationSparse-v0", 0, low=1.0, high=2.0).unwrapped
    assert len(other.sample_test_tasks(5)) == 5


def test_moves_are_clipped_and_only_the_neighbourhood_of_the_goal_pays():
    env = environment("wide").unwrapped
    env.reset_task({"goal": np.array([0.25, 1.0])})
    env.reset()
    position, reward, done, info = env.step(np.array([0.3, -0.05]))
    np.testing.assert_allclose(position, (0.1, -0.05), atol=1e-6)
    assert (reward, done, info["success"]) == (0.0, False, 0.0)
    position, reward, done, info = env.step(np.array([0.03, 0.07]))
    np.testing.assert_allclose(position, (0.13, 0.02), atol=1e-6)
    assert (reward, done, info["success"]) == (1.0, False, 1.0)
    assert info["task"]["goal"].tolist() == [0.25, 1.0]


def test_the_dense_variant_pays_minus_the_distance():
    env = make("2DNavigationSparse-v0", 0, sparse=False)
    env.unwrapped.reset_task({"goal": np.array([3.0, 4.0])})
    env.reset()
    assert env.step(np.zeros(2))[1] == pytest.approx(-5.0)


@pytest.mark.parametrize("name", SETTINGS)
def test_only_the_time_limit_ends_an_episode(name: str):
    env = environment(name)
    env.reset()
    for step in range(1, horizon_of(SETTINGS[name][0]) + 1):
        _, _, done, info = env.step(env.action_space.sample())
        assert done == (step == horizon_of(SETTINGS[name][0]))
    assert info["TimeLimit.truncated"]


def test_observations_are_copies_of_their_own():
    env = environment("wide")
    first = env.reset()
    env.step(np.array([0.1, 0.1]))
    assert first.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("sparse", [True, False])
def test_every_step_of_the_batched_form_equals_the_gym_environment(name: str, sparse: bool):
    identifier, low, high = SETTINGS[name]
    env = make(identifier, 0, low=low, high=high, sparse=sparse)
    tasks = [{"goal": task["goal"] * 0.2} for task in env.unwrapped.sample_tasks(4)]
    horizon, episodes = horizon_of(identifier), 3
    actions = 0.15 * torch.randn(horizon, 4, episodes, 2, generator=generator(0, 0, "actions"))
    actions += torch.tensor(np.stack([task["goal"] for task in tasks]), dtype=torch.float32)[:, None] / 20
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
    assert sum(float(step[2].sum()) for step in stepped) > 0
