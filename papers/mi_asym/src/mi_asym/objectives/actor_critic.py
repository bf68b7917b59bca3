"""Soft actor-critic: log probabilities of squashed actions, actor and temperature losses (card 5.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_SD_BOUNDS = (-20.0, 2.0)


def squashed(mean: Tensor, log_sd: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions tanh(mean + sd noise) in (-1, 1) and their log probabilities.

    mean, log_sd, noise: (steps, actions); returns (steps, actions) and (steps,). Source: card 5.6.
    """
    log_sd = log_sd.clamp(*LOG_SD_BOUNDS)
    action = (mean + log_sd.exp() * noise).tanh()
    density = -0.5 * noise.square() - log_sd - 0.5 * math.log(2 * math.pi)
    return action, (density - (1.0 - action.square() + 1e-6).log()).sum(1)


def soft_value(values: Tensor, log_probabilities: Tensor, temperature: Tensor) -> Tensor:
    """min Q - alpha log pi; values (2, steps), log_probabilities (steps,). Source: card 5.6."""
    return values.amin(0) - temperature * log_probabilities


def temperature_loss(log_temperature: Tensor, log_probability: Tensor, target_entropy: float) -> Tensor:
    """-exp(log alpha) (mean log pi + target entropy); the target is minus the number of actions. Source: card 5.6."""
    return -log_temperature.exp() * (log_probability + target_entropy)


def behaviour_cloning_loss(actions: Tensor, expert_actions: Tensor, is_expert: Tensor) -> Tensor:
    """Mean squared distance to the expert's actions over the steps that an expert took; zero where there is none.

    actions, expert_actions: (steps, actions); is_expert: (steps,) of 0 and 1. Source: card 5.7.
    """
    distance = (actions - expert_actions).square().mean(1) * is_expert
    return distance.sum() / torch.clamp(is_expert.sum(), min=1.0)
