"""Second derivatives of the policy's losses against autograd, for networks of several depths and widths."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mime.curvature import PolicyPass, WeightedLogProbability, over_rows
from mime.networks import Layout, initial_policy, policy_layout, policy_log_sd, policy_mean, tanh
from mime.objectives import action_log_probability, gaussian_kl, policy_loss

TASKS, ROWS, ACTIONS = 3, 11, 2
SHAPES = [(2, (6,)), (2, (6, 5)), (7, (4, 5)), (3, (4, 6, 5)), (9, (3, 3, 3, 3))]
"""Observation size and hidden sizes; inputs may be fewer or more than units."""


def case(observation: int, hidden: tuple[int, ...]) -> tuple[Layout, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A layout, parameters, observations, actions, weights and a direction, all of float64."""
    source = torch.Generator().manual_seed(0)
    layout = policy_layout(observation, hidden, ACTIONS)
    start = torch.stack([initial_policy(layout, source) for _ in range(TASKS)]).double()

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=source)

    parameters, rows = start + 0.1 * normal(TASKS, layout.size), (TASKS, ROWS)
    return layout, parameters, normal(*rows, observation), normal(*rows, ACTIONS), normal(*rows), normal(*start.shape)


@pytest.mark.parametrize(("observation", "hidden"), SHAPES)
def test_the_inner_losses_hessian_product_equals_autograds(observation: int, hidden: tuple[int, ...]):
    layout, parameters, observations, actions, weights, direction = case(observation, hidden)

    def loss(flat: Tensor) -> Tensor:
        mean = policy_mean(layout, flat, observations)
        return policy_loss(action_log_probability(mean, policy_log_sd(layout, flat), actions), weights).sum()

    fast = WeightedLogProbability(PolicyPass(layout, parameters, observations), actions, weights)
    _, expected = torch.autograd.functional.hvp(loss, parameters, direction)
    torch.testing.assert_close(fast.hessian_vector_product(direction), expected)
    torch.testing.assert_close(fast.gradient(), torch.autograd.functional.jacobian(loss, parameters))


@pytest.mark.parametrize(("observation", "hidden"), SHAPES)
def test_the_fisher_product_is_that_of_the_divergences_hessian(observation: int, hidden: tuple[int, ...]):
    layout, parameters, observations, _, _, direction = case(observation, hidden)
    old = PolicyPass(layout, parameters, observations)

    def divergence(flat: Tensor) -> Tensor:
        mean, log_sd = policy_mean(layout, flat, observations), policy_log_sd(layout, flat)
        return gaussian_kl(mean, log_sd, old.mean, old.log_sd).sum()

    _, expected = torch.autograd.functional.hvp(divergence, parameters, direction)
    torch.testing.assert_close(old.fisher_vector_product(direction), expected)


@pytest.mark.parametrize("inputs", [2, 5, 9])
def test_sums_of_outer_products_are_the_same_whichever_factor_is_narrow(inputs: int):
    source = torch.Generator().manual_seed(0)
    outputs, values = torch.randn(2, 20, 5, generator=source), torch.randn(2, 20, inputs, generator=source)
    torch.testing.assert_close(over_rows(outputs, values), torch.einsum("kro,kri->koi", outputs, values))


def test_tanh_is_torchs_to_rounding_and_can_be_differentiated():
    values = torch.linspace(-12, 12, 10_001)
    torch.testing.assert_close(tanh(values), values.tanh(), rtol=1e-6, atol=0)
    asked = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(tanh(asked).sum(), asked)
    torch.testing.assert_close(gradient, 1 - values.tanh().square())
