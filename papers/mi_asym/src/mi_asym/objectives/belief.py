"""Believer: the evidence lower bound of state features given a history (card 5.7)."""

from __future__ import annotations

import math

from torch import Tensor

LOG_TAU = math.log(2 * math.pi)


def gaussian_log_density(value: Tensor, mean: Tensor | float, sd: Tensor | float) -> Tensor:
    """Log density of independent normals, summed over the last axis."""
    scaled = (value - mean) / sd
    spread = sd.log() if isinstance(sd, Tensor) else math.log(sd)
    return (-0.5 * scaled.square() - spread - 0.5 * LOG_TAU).sum(-1)


def evidence_lower_bound(
    features: Tensor, latent: Tensor, encoded: tuple[Tensor, Tensor], decoded: tuple[Tensor, Tensor]
) -> Tensor:
    """log N(z; 0, 1) + log p(x | z, c) - log q(z | x, c) of one sample z per step.

    features x: (steps, 16); latent z: (steps, 32); encoded and decoded: (mean, sd) of q and p. Returns (steps,).
    """
    prior = gaussian_log_density(latent, 0.0, 1.0)
    return prior + gaussian_log_density(features, *decoded) - gaussian_log_density(latent, *encoded)


def gaussian_divergence(mean: Tensor, sd: Tensor) -> Tensor:
    """KL(N(mean, sd) || N(0, 1)), nats, summed over features, averaged over the batch; (batch, features) each."""
    return 0.5 * (mean.square() + sd.square() - 2.0 * sd.log() - 1.0).sum(1).mean()
