"""PEARL's mathematics as pure functions (Rakelly et al. 2019; Haarnoja et al. 2018; card 5.9)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

MIN_VARIANCE = 1e-7
OUTPUT_PENALTY = 1e-3
"""Weight of the policy's squared means and log standard deviations."""
LOG_TWO_PI = math.log(2 * math.pi)


def product_of_factors(mean: Tensor, raw_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the product of normal factors: (..., context, latent) each -> (..., latent) each.

    `raw_variance` is before softplus; variances are at least 1e-7.
    """
    precision = 1 / softplus(raw_variance).clamp(min=MIN_VARIANCE)
    variance = 1 / precision.sum(-2)
    return variance * (precision * mean).sum(-2), variance


def kl_to_prior(mean: Tensor, variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, summed over everything: (..., latent) each -> ()."""
    return 0.5 * (variance + mean.square() - 1 - variance.log()).sum()


def squashed(mean: Tensor, log_sd: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Action tanh(mean + sd noise) and its log probability: (..., actions) each -> (..., actions), (...)."""
    before = mean + log_sd.exp() * noise
    log_normal = -0.5 * noise.square() - log_sd - 0.5 * LOG_TWO_PI
    # log(1 - tanh(x)^2) without cancellation.
    log_slope = 2 * (math.log(2.0) - before - softplus(-2 * before))
    return before.tanh(), (log_normal - log_slope).sum(-1)


def critic_targets(rewards: Tensor, next_values: Tensor, reward_scale: float, discount: float) -> Tensor:
    """scale r + gamma V_target(s', z), all (...); no environment here ends an episode, so that V always counts."""
    return reward_scale * rewards + discount * next_values


def critic_loss(first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
    """Sum of both Q functions' mean squared errors."""
    return (first - targets).square().mean() + (second - targets).square().mean()


def value_loss(values: Tensor, least_q: Tensor, log_probability: Tensor) -> Tensor:
    """Mean squared error of V to min Q - log pi, both without gradient."""
    return (values - (least_q - log_probability).detach()).square().mean()


def policy_loss(log_probability: Tensor, least_q: Tensor, mean: Tensor, log_sd: Tensor) -> Tensor:
    """Mean of log pi - min Q, and a small penalty on the policy's outputs."""
    penalty = mean.square().mean() + log_sd.square().mean()
    return (log_probability - least_q).mean() + OUTPUT_PENALTY * penalty


def posterior_sample(mean: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + sd noise; all (..., latent)."""
    return mean + torch.sqrt(variance) * noise
