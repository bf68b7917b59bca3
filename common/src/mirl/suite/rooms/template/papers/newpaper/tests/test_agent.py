"""What an update does."""

from __future__ import annotations

import math

import pytest
import torch
from toys import METHODS, some_agent, some_episodes

from newpaper.networks import count


@pytest.mark.parametrize("method", METHODS)
def test_an_update_makes_rewarded_actions_likelier_and_moves_every_network(method: str):
    agent = some_agent(method)
    episodes = some_episodes(agent)
    networks = [network for network in (agent.policy, agent.value) if network is not None]
    before = [torch.nn.utils.parameters_to_vector(network.parameters()).clone() for network in networks]
    first = agent.update(episodes)
    assert float(agent.losses(episodes)["loss/policy"].detach()) < first["loss/policy"]
    for network, old in zip(networks, before, strict=True):
        assert not torch.equal(torch.nn.utils.parameters_to_vector(network.parameters()), old)


def test_no_gradient_of_the_policy_loss_reaches_the_value():
    agent = some_agent("reinforce_baseline")
    assert agent.value is not None
    agent.losses(some_episodes(agent))["loss/policy"].backward()
    assert all(parameter.grad is None for parameter in agent.value.parameters())


def test_first_weights_hang_on_the_seed():
    one, again, other = (
        torch.nn.utils.parameters_to_vector(some_agent(seed=seed).policy.parameters()) for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("seed", range(8))
def test_a_policy_begins_with_nearly_even_chances(seed: int):
    agent = some_agent(seed=seed)
    first = float(agent.losses(some_episodes(agent))["loss/entropy"].detach())
    assert first == pytest.approx(math.log(2), abs=1e-3)


def test_the_networks_have_the_cards_sizes():
    agent = some_agent("reinforce_baseline")
    assert agent.value is not None
    assert (count(agent.policy), count(agent.value)) == (4 * 64 + 64 + 64 * 2 + 2, 4 * 64 + 64 + 64 + 1)
