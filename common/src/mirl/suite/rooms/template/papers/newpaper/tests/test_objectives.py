"""Returns and losses against their plain twins, and by hand."""

from __future__ import annotations

import pytest
import torch
from plain import objectives as plain
from toys import METHODS, some_agent, some_episodes

from newpaper.objectives import discounted_returns, entropy, step_weights


@pytest.mark.parametrize("discount", [1.0, 0.99, 0.5])
def test_returns_equal_the_sum_from_the_end_backwards(discount: float):
    rewards = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        discounted_returns(rewards, discount), plain.discounted_returns(rewards, discount), rtol=1e-5, atol=1e-6
    )


def test_returns_by_hand():
    rewards = torch.tensor([[1.0], [1.0], [0.0]])
    assert discounted_returns(rewards, 0.5).flatten().tolist() == [1.5, 1.0, 0.0]


def test_the_gradients_discount_is_left_out_unless_it_is_kept():
    alive = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert step_weights(alive, 0.5, "left_out").tolist() == [[1, 1], [1, 0]]
    assert step_weights(alive, 0.5, "kept").tolist() == [[1, 1], [0.5, 0]]


def test_the_entropy_of_even_chances_is_the_logarithm_of_two():
    alive = torch.tensor([[1.0], [0.0]])
    logits = torch.tensor([[[3.0, 3.0]], [[9.0, 0.0]]])
    torch.testing.assert_close(entropy(logits, alive), torch.tensor(2.0).log())


@pytest.mark.parametrize("fidelity", ["faithful", "fixed"])
@pytest.mark.parametrize("method", METHODS)
def test_losses_and_gradients_equal_the_plain_ones(method: str, fidelity: str):
    agent = some_agent(method, fidelity)
    episodes = some_episodes(agent)
    fast, slow = agent.losses(episodes), plain.losses(agent, episodes)
    networks = [network for network in (agent.policy, agent.value) if network is not None]
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for name, expected in slow.items():
        torch.testing.assert_close(fast[name], expected, rtol=1e-5, atol=1e-6)
    ours, theirs = (
        torch.autograd.grad(sum(losses[name] for name in slow), parameters) for losses in (fast, slow)
    )  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
