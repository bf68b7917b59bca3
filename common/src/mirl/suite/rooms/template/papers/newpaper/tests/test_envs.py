"""The batch of cart-poles against gym's own, step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from gym.envs.classic_control.cartpole import CartPoleEnv

from newpaper.envs import batch_of, make
from newpaper.envs.cartpole import ANGLE_LIMIT, POSITION_LIMIT, CartPoleBatch


def test_the_batch_has_the_sizes_and_limits_of_gyms_environment():
    environment = make("cartpole")
    assert environment.observation_space.shape == (CartPoleBatch.observation_size,)
    assert environment.action_space.n == CartPoleBatch.actions
    assert environment.spec.max_episode_steps == CartPoleBatch.horizon
    assert environment.unwrapped.x_threshold == POSITION_LIMIT
    assert environment.unwrapped.theta_threshold_radians == ANGLE_LIMIT


@pytest.mark.parametrize("seed", range(3))
def test_every_step_is_gyms(seed: int):
    chance = torch.Generator().manual_seed(seed)
    batch = batch_of("cartpole", 8)
    batch.reset(torch.rand(8, 4, generator=chance))
    oracles = [CartPoleEnv() for _ in range(8)]
    for oracle, state in zip(oracles, batch.state, strict=True):
        oracle.reset()
        oracle.state = tuple(state)
    running, played = [True] * 8, 0
    while any(running):
        actions = torch.randint(0, 2, (8,), generator=chance)
        observations, rewards, over = batch.step(actions)
        for number in [number for number, runs in enumerate(running) if runs]:
            state, reward, done, _ = oracles[number].step(int(actions[number]))
            np.testing.assert_allclose(batch.state[number], state, rtol=0, atol=1e-12)
            np.testing.assert_array_equal(observations[number].numpy(), batch.state[number].astype(np.float32))
            assert (float(rewards[number]), bool(over[number])) == (reward, done)
            running[number] = not done
            played += 1
    assert played > 8 * 8


@pytest.mark.parametrize(("number", "limit"), [(0, POSITION_LIMIT), (2, ANGLE_LIMIT)])
def test_an_episode_ends_beyond_a_limit_and_is_not_paid_or_moved_again(number: int, limit: float):
    batch = batch_of("cartpole", 2)
    batch.reset(torch.full((2, 4), 0.5))
    batch.state[:, number] = [math.nextafter(limit, 0), -limit - 1e-9]
    _, paid, over = batch.step(torch.tensor([1, 1]))
    assert (paid.tolist(), over.tolist()) == ([1, 1], [False, True])
    before = batch.state.copy()
    _, paid, over = batch.step(torch.tensor([1, 1]))
    assert (float(paid[1]), bool(over[1])) == (0, True)
    np.testing.assert_array_equal(batch.state[1], before[1])
    assert not np.array_equal(batch.state[0], before[0])


def test_starts_lie_within_a_twentieth_of_the_middle():
    batch = batch_of("cartpole", 2)
    observations = batch.reset(torch.tensor([[0.0] * 4, [0.5] * 4]))
    np.testing.assert_allclose(observations.numpy(), [[-0.05] * 4, [0.0] * 4])
