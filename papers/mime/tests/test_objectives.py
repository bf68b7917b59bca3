"""Returns, baseline, advantages and mixing, against the card's numbers."""

from __future__ import annotations

import pytest
import torch
from plain import maml
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mime.objectives import (
    baseline_features,
    baseline_values,
    discounted_returns,
    fitted_baseline,
    gaussian_kl,
    generalised_advantages,
    mixed_rewards,
    normal_kl,
    normalised,
    standardised,
    updated_eta,
)

REWARDS = torch.tensor([[1.0, 0.5], [0.0, -1.0], [2.0, 0.0]])
MASK = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
"""Two episodes of 3 and 2 steps (card check 3)."""


@pytest.fixture
def features() -> Tensor:
    observations = torch.zeros(3, 2, 2)
    observations[:, 0, 0] = torch.tensor([0.0, 1.0, 0.5])
    observations[:2, 1, 0] = torch.tensor([1.0, 0.0])
    observations[:, :, 1] = torch.arange(2.0)[None] + 0.1 * torch.arange(3.0)[:, None]
    return baseline_features(observations, MASK)


def assert_columns(
    values: Tensor, first: tuple[float, ...], second: tuple[float, ...], tolerance: float = 1e-4
) -> None:
    torch.testing.assert_close(values[:, 0], torch.tensor(first), rtol=0, atol=tolerance)
    torch.testing.assert_close(values[: len(second), 1], torch.tensor(second), rtol=0, atol=tolerance)


def test_returns_values_and_advantages_are_the_cards(features: Tensor):
    assert_columns(discounted_returns(REWARDS, 0.9), (2.62, 1.8, 2.0), (-0.4, -1.0))
    values = baseline_values(features, torch.tensor([0.1, 0.2, 0.3, 0.4, 1, 2, 3, 0.5]))
    assert_columns(values, (0.5, 0.9342, 0.7018), (1.5, 1.2142))
    advantages = generalised_advantages(REWARDS, values, 0.9, 0.8)
    assert_columns(advantages, (1.7959, 0.6321, 1.2982), (-1.5014, -2.2142))
    assert_columns(normalised(advantages, MASK), (1.3099, 0.5853, 1.0), (-0.7432, -1.1869, 0.0))


def test_the_ridge_baseline_predicts_what_a_full_rank_solve_predicts(features: Tensor):
    values = baseline_values(features, fitted_baseline(features, discounted_returns(REWARDS, 0.9)))
    assert_columns(values, (2.6028, 1.8211, 1.9999), (-0.4210, -0.9828), tolerance=2e-2)


def test_a_baseline_without_any_reward_is_zero():
    features = baseline_features(torch.randn(2, 10, 3, 2))
    assert not fitted_baseline(features, torch.zeros(2, 10, 3)).any()


def test_returns_that_are_not_finite_are_an_error_and_not_a_baseline():
    features = baseline_features(torch.randn(1, 10, 3, 2))
    with pytest.raises(ArithmeticError, match="no finite solution"):
        fitted_baseline(features, torch.full((1, 10, 3), torch.inf))


def test_rewards_are_standardised_within_each_task():
    rewards = torch.randn(3, 20, 5) * torch.tensor([1.0, 10.0, 0.1])[:, None, None] + 4
    for task in standardised(rewards):
        assert float(task.mean()) == pytest.approx(0.0, abs=1e-5)
        assert float(task.std()) == pytest.approx(1.0, abs=1e-5)


def test_rewards_that_are_all_equal_become_zero_and_advantages_stay_finite():
    zeros = standardised(torch.zeros(2, 20, 5))
    assert not zeros.any()
    assert not normalised(generalised_advantages(zeros, torch.zeros(2, 20, 5), 1.0, 1.0)).any()


@pytest.mark.parametrize(("gamma", "trace"), [(1.0, 1.0), (0.9, 0.8), (0.99, 0.0)])
def test_batched_advantages_equal_the_loop_over_steps(gamma: float, trace: float):
    rewards, values = torch.randn(3, 12, 4, dtype=torch.float64), torch.randn(3, 12, 4, dtype=torch.float64)
    fast = normalised(generalised_advantages(rewards, values, gamma, trace))
    slow = torch.stack([maml.advantages(rewards[k], values[k], gamma, trace) for k in range(3)])
    torch.testing.assert_close(fast, slow)


def test_a_tenth_of_intrinsic_reward_is_mixed_as_0_95_to_0_15():
    eta = torch.tensor(0.1).logit()
    assert float(mixed_rewards(torch.tensor(1.0), torch.tensor(0.0), eta)) == pytest.approx(0.95)
    assert float(mixed_rewards(torch.tensor(0.0), torch.tensor(1.0), eta)) == pytest.approx(0.15)


def test_eta_moves_by_at_most_0_3_logits():
    eta = torch.tensor(0.1).logit()
    assert float(updated_eta(eta, torch.tensor(-6.48e-4), 1000.0) - eta) == pytest.approx(0.3)
    assert float(updated_eta(eta, torch.tensor(6.48e-4), 1000.0) - eta) == pytest.approx(-0.3)
    assert float(updated_eta(eta, torch.tensor(-1e-5), 1000.0) - eta) == pytest.approx(0.1, rel=1e-5)


def test_policy_divergence_is_the_library_functions():
    mean, old_mean = torch.randn(2, 5, 2), torch.randn(2, 5, 2)
    log_sd, old_log_sd = torch.randn(2, 2) * 0.1, torch.randn(2, 2) * 0.1
    new = Normal(mean, log_sd.exp()[:, None].expand_as(mean))
    old = Normal(old_mean, old_log_sd.exp()[:, None].expand_as(mean))
    expected = kl_divergence(new, old).sum(-1).mean(-1)
    torch.testing.assert_close(gaussian_kl(mean, log_sd, old_mean, old_log_sd), expected)


def test_weight_divergence_is_the_library_functions_up_to_the_papers_small_constant():
    mean, sd = torch.randn(50), torch.rand(50) + 0.1
    expected = kl_divergence(Normal(mean, sd), Normal(torch.zeros(50), torch.full((50,), 0.5)))
    torch.testing.assert_close(normal_kl(mean, sd, 0.0, torch.tensor(0.5)), expected)
