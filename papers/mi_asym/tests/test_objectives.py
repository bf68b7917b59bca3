"""Losses against the card's numbers and against their definitions."""

from __future__ import annotations

import math

import plain.representation as plain
import pytest
import torch

from mi_asym.networks.encoders import SharedInformation
from mi_asym.objectives.actor_critic import behaviour_cloning_loss, squashed
from mi_asym.objectives.belief import evidence_lower_bound, gaussian_divergence
from mi_asym.objectives.mutual_information import (
    jensen_shannon_loss,
    log_likelihood,
    next_feature_loss,
    raw_shared_information,
    shared_information,
)
from mi_asym.objectives.reconstruction import intrinsic_rewards, reconstruction_errors
from mi_asym.objectives.temporal_difference import bootstrapped, double_q

LOCAL = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
WHOLE = torch.tensor([[2.0, -1.0], [0.0, 1.0], [1.0, 1.0]])


def test_the_jensen_shannon_loss_is_the_cards():
    assert float(jensen_shannon_loss(LOCAL, WHOLE, torch.ones(3))) == pytest.approx(-0.204963, abs=1e-6)
    assert float(jensen_shannon_loss(0 * LOCAL, WHOLE, torch.ones(3))) == pytest.approx(0.0, abs=1e-6)


def test_the_plain_twin_of_the_jensen_shannon_loss_is_the_cards():
    joined = torch.eye(3, dtype=torch.bool)
    joined[0, 1] = joined[1, 0] = True
    assert float(plain.jensen_shannon_loss(LOCAL, WHOLE, torch.eye(3, dtype=torch.bool))) == pytest.approx(
        -0.204963, abs=1e-6
    )
    assert float(plain.jensen_shannon_loss(LOCAL, WHOLE, joined)) == pytest.approx(0.309347, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_counting_identical_inputs_equals_the_loss_over_all_pairs(seed: int):
    draw = torch.Generator().manual_seed(seed)
    index = torch.randint(5, (40,), generator=draw)
    local, whole = torch.randn(2, 5, 4, generator=draw)
    counts = torch.bincount(index, minlength=5).float()
    same = index[:, None] == index[None, :]
    expected = plain.jensen_shannon_loss(local[index], whole[index], same)
    torch.testing.assert_close(jensen_shannon_loss(local, whole, counts), expected, rtol=1e-5, atol=1e-6)


def identity_estimator() -> SharedInformation:
    estimator = SharedInformation(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for layer in [*estimator.mean, *estimator.log_variance]:
            layer.weight.copy_(torch.eye(2))
            layer.bias.zero_()
    return estimator


def test_the_estimator_of_shared_information_is_the_cards():
    states = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 2.0]])
    observations = torch.tensor([[1.0, 1.0], [0.0, 0.5], [2.0, 0.0]])
    with torch.no_grad():
        mean, log_variance = identity_estimator()(states)
    torch.testing.assert_close(mean, torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.632121, 2.0]]), rtol=0, atol=1e-5)
    expected = torch.tensor([[0.761594, 0.0], [0.0, 0.761594], [-0.559511, 0.964028]])
    torch.testing.assert_close(log_variance, expected, rtol=0, atol=1e-5)
    permutation = torch.tensor([1, 2, 0])
    assert float(log_likelihood(mean, log_variance, observations)) == pytest.approx(-5.564227, abs=1e-5)
    assert float(raw_shared_information(mean, log_variance, observations, permutation)) == pytest.approx(
        -0.756431, abs=1e-5
    )
    assert float(shared_information(mean, log_variance, observations, permutation)) == 0.0


def test_an_unrecorded_next_step_is_predicted_as_zero():
    predicted, following = torch.ones(2, 3), torch.full((2, 3), 5.0)
    assert float(next_feature_loss(predicted, following, torch.tensor([1.0, 0.0]))) == pytest.approx((48 + 3) / 2)


def test_intrinsic_rewards_telescope():
    errors = torch.rand(6, generator=torch.Generator().manual_seed(0))
    rewards = intrinsic_rewards(errors, torch.arange(5), torch.arange(1, 6), 10.0)
    assert float(rewards.sum()) == pytest.approx(10.0 * float(errors[0] - errors[-1]), abs=1e-5)


def test_the_sign_of_a_reconstruction_is_free():
    draw = torch.Generator().manual_seed(0)
    told, wanted = torch.randn(2, 7, 32, generator=draw)
    torch.testing.assert_close(reconstruction_errors(-told, wanted), reconstruction_errors(told, wanted))


def test_a_terminal_transition_has_its_reward_alone():
    targets = bootstrapped(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]), torch.tensor([5.0, 5.0]), 0.99)
    torch.testing.assert_close(targets, torch.tensor([1.0, 6.95]))


def test_double_q_takes_the_targets_value_of_the_online_choice():
    assert double_q(torch.tensor([[1.0, 2.0]]), torch.tensor([[7.0, 3.0]])).tolist() == [3.0]


def test_log_probabilities_of_squashed_actions_integrate_the_change_of_variables():
    mean, log_sd, noise = torch.tensor([[0.3]]), torch.tensor([[-0.5]]), torch.tensor([[0.7]])
    action, log_probability = squashed(mean, log_sd, noise)
    normal = torch.distributions.Normal(mean, log_sd.exp())
    expected = normal.log_prob(mean + log_sd.exp() * noise) - (1 - action**2 + 1e-6).log()
    torch.testing.assert_close(log_probability, expected[:, 0])


def test_cloning_looks_at_the_experts_steps_alone():
    actions, expert = torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [9.0, 9.0]])
    assert float(behaviour_cloning_loss(actions, expert, torch.tensor([1.0, 0.0]))) == 1.0
    assert float(behaviour_cloning_loss(actions, expert, torch.zeros(2))) == 0.0


def test_the_evidence_lower_bound_is_the_sum_of_three_densities():
    draw = torch.Generator().manual_seed(1)
    features, latent = torch.randn(3, 16, generator=draw), torch.randn(3, 32, generator=draw)
    encoded, decoded = (torch.zeros(3, 32), torch.full((3, 32), 2.0)), (torch.zeros(3, 16), torch.ones(3, 16))
    normal = torch.distributions.Normal
    expected = (
        normal(0.0, 1.0).log_prob(latent).sum(1)
        + normal(*decoded).log_prob(features).sum(1)
        - normal(*encoded).log_prob(latent).sum(1)
    )
    torch.testing.assert_close(evidence_lower_bound(features, latent, encoded, decoded), expected)


def test_the_divergence_of_a_standard_normal_is_zero():
    assert float(gaussian_divergence(torch.zeros(4, 3), torch.ones(4, 3))) == 0.0
    assert float(gaussian_divergence(torch.ones(4, 1), torch.ones(4, 1))) == pytest.approx(0.5)
    assert math.isfinite(float(gaussian_divergence(torch.zeros(1, 1), torch.full((1, 1), 1e-5))))
