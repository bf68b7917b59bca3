"""The losses against the card's numbers, the plain pair matrix and Stable-Baselines3's distribution."""

from __future__ import annotations

import math

import pytest
import torch
from plain import learning
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from torch import Tensor

from sami import objectives
from sami.objectives import contrastive_weight, pairs_loss, soft_target, softmax_loss, squashed_sample, temperature_loss

THREE = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
OPPOSITE = [[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0]]


@pytest.mark.parametrize(
    ("queries", "positives", "negatives", "value", "tolerance"),
    [
        ([[1, 0], [0, 1]], [[1, 0], [1, 1]], [[-1, 0], [0, -2], [0, 0]], 0.635836, 2e-6),
        # The card's 4.267074 is log(1 - sigma) rounded in float32; in float64 both forms give 4.267083.
        ([[1, 2, 3], [0, 0, 0]], [[2, 1, 0], [1, 1, 1]], [[3, 2, 1]], 4.267083, 2e-6),
        (THREE, THREE, OPPOSITE, 1.0395e-4, 2e-5),
        (THREE, OPPOSITE, THREE, 19.746, 0.02),
    ],
)
def test_the_pair_loss_has_the_cards_values(
    queries: list[list[float]],
    positives: list[list[float]],
    negatives: list[list[float]],
    value: float,
    tolerance: float,
):
    rows = [torch.tensor(part, dtype=torch.float32) for part in (queries, positives, negatives)]
    assert float(pairs_loss(*rows)) == pytest.approx(value, abs=tolerance)
    assert float(learning.pairs_loss(*rows)) == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("count", [1, 7, 40, 300])
def test_the_fast_pair_loss_and_its_gradients_equal_the_plain_matrix_with_its_zero_rows(count: int):
    random = torch.Generator().manual_seed(count)
    queries, positives, negatives = (torch.randn(size, 6, generator=random) for size in (count, count, 2 * count + 1))
    zeros = torch.zeros(13, 6)

    def value(fast: bool) -> tuple[Tensor, list[Tensor]]:
        leaves = [rows.clone().requires_grad_() for rows in (queries, positives, negatives)]
        if fast:
            loss = pairs_loss(*leaves, count + 13, 2 * count + 14)
        else:
            loss = learning.pairs_loss(*(torch.cat([rows, zeros]) for rows in leaves))
        return loss.detach(), list(torch.autograd.grad(loss, leaves))

    (fast, fast_gradients), (plain, plain_gradients) = value(True), value(False)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(fast_gradients, plain_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def test_only_zero_rows_cost_two_logarithms_of_two():
    zeros = torch.zeros(5, 6)
    assert float(pairs_loss(zeros[:0], zeros[:0], zeros[:0], 5, 5)) == pytest.approx(2 * math.log(2), abs=1e-6)
    assert float(pairs_loss(zeros, zeros, zeros)) == pytest.approx(2 * math.log(2), abs=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    rows = [torch.randn(50, 6, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    values = []
    for size in (3, 1000):
        monkeypatch.setitem(objectives.QUERIES_AT_ONCE, "cpu", size)
        values.append((pairs_loss(*rows), softmax_loss(*rows)))
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=1e-6)


def test_the_softmax_loss_is_the_cross_entropy_of_each_querys_own_positive():
    random = torch.Generator().manual_seed(3)
    leaves = [torch.randn(size, 6, generator=random).requires_grad_() for size in (9, 9, 14)]
    queries, positives, negatives = (torch.nn.functional.normalize(rows) for rows in leaves)
    logits = torch.cat([(queries * positives).sum(1, keepdim=True), queries @ negatives.T], dim=1) / 0.1
    plain = torch.nn.functional.cross_entropy(logits, torch.zeros(9, dtype=torch.long))
    ours = softmax_loss(*leaves)
    torch.testing.assert_close(ours, plain)
    for one, other in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(plain, leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("positive", "negative", "coefficient", "weight"),
    [(3.0, 1.0, 0.1, 0.2), (3.0, 1.0, 1.0, 1.0), (1.0, 3.0, 0.1, 0.0), (1.0, 0.0, 0.01, 0.01)],
)
def test_the_weight_is_the_clipped_score_gap(positive: float, negative: float, coefficient: float, weight: float):
    assert contrastive_weight(positive, negative, coefficient) == pytest.approx(weight)


def test_actions_and_densities_equal_stable_baselines3():
    random = torch.Generator().manual_seed(0)
    mean, log_std, noise = (torch.randn(20, 3, generator=random) for _ in range(3))
    action, density = squashed_sample(mean, log_std, noise)
    theirs = SquashedDiagGaussianDistribution(3).proba_distribution(mean, log_std)
    torch.testing.assert_close(density, theirs.log_prob(action, mean + log_std.exp() * noise), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(action, torch.tanh(mean + log_std.exp() * noise))


def test_nothing_follows_a_terminal_step():
    one = torch.ones(2)
    target = soft_target(one, torch.tensor([0.0, 1.0]), 10 * one, 2 * one, torch.tensor(0.5), 0.95)
    torch.testing.assert_close(target, torch.tensor([1.0, 1 + 0.95 * (10 - 0.5 * 2)]))


def test_the_temperature_rises_where_the_policy_is_surer_than_its_target():
    log_temperature = torch.zeros(1, requires_grad=True)
    temperature_loss(log_temperature, torch.tensor(5.0), -2.0).backward()
    assert float(log_temperature.grad) == pytest.approx(-3.0)
