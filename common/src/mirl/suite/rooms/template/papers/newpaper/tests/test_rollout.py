"""Episodes in lock-step are those that gym plays one after another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain import rollout as plain
from toys import some_agent, some_draws

from newpaper.envs import batch_of, make
from newpaper.rollout import Draws, categorical, play


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_plays_what_gym_plays(seed: int):
    policy, draws = some_agent(seed=seed).policy, some_draws(seed, 5)
    fast = play(policy, batch_of("cartpole", 5), draws)
    slow = plain.play(policy, make("cartpole"), draws)
    assert fast.lengths().tolist() == [len(rows) for rows in slow]
    for number, rows in enumerate(slow):
        seen, actions, rewards = zip(*rows, strict=True)
        assert fast.actions[: len(rows), number].tolist() == list(actions)
        assert float(fast.returns()[number]) == sum(rewards)
        np.testing.assert_allclose(fast.observations[: len(rows), number].numpy(), seen, rtol=1e-5, atol=1e-6)


def test_an_episode_that_holds_out_to_the_horizon_survived():
    policy = some_agent().policy
    with torch.no_grad():  # leans against the fall: right where the pole leans and turns to the right
        for parameter in policy.parameters():
            parameter.zero_()
        policy.layers[0].weight[0] = torch.tensor([0.0, 0.1, 1.0, 0.5])
        policy.layers[2].weight[1, 0] = 1.0
    draws = some_draws(0, 3)
    held = play(policy, batch_of("cartpole", 3), draws, greedy=True)
    assert held.survived().tolist() == [1, 1, 1]
    assert (held.env_steps, held.returns().tolist()) == (1500, [500, 500, 500])
    fell = play(some_agent().policy, batch_of("cartpole", 3), draws)
    assert fell.survived().tolist() == [0, 0, 0]


def test_even_chances_give_the_floor():
    policy = some_agent().policy
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
    returns = play(policy, batch_of("cartpole", 10_000), some_draws(0, 10_000)).returns()
    assert float(returns.mean()) == pytest.approx(22.3, abs=0.5)  # four standard errors


def test_draws_of_a_number_and_purpose_repeat_and_differ_from_all_others():
    batch = batch_of("cartpole", 2)
    one, again = (Draws.of(0, 1, "training", 2, batch) for _ in range(2))
    assert torch.equal(one.actions, again.actions)
    for other in (Draws.of(1, 1, "training", 2, batch), Draws.of(0, 2, "training", 2, batch),
                  Draws.of(0, 1, "test", 2, batch)):  # fmt: skip
        assert not torch.equal(one.actions, other.actions)
        assert not torch.equal(one.starts, other.starts)


def test_actions_are_drawn_as_often_as_they_are_likely():
    logits = torch.log(torch.tensor([0.2, 0.8])).expand(10_000, 2)
    drawn = categorical(logits, torch.rand(10_000, generator=torch.Generator().manual_seed(0)))
    assert float(drawn.float().mean()) == pytest.approx(0.8, abs=0.02)
    assert categorical(torch.zeros(2, 2), torch.tensor([0.0, 1.0])).tolist() == [0, 1]
