"""Diagonal Gaussians and the squashed policy over them, on TensorFlow Probability.

What a run draws comes as data, standard normal numbers keyed by what they are for (`mummi.noise`): a whole batch may
share a draw, and all moments' are made at once before the loops over time. So samples are made here from given noise,
which `Distribution.sample` has no place for; densities, divergences and entropies are the library's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow import Tensor

LARGEST_TANH = 0.99999997
"""How near to 1 a squashed action may come before it is unsquashed, float32 (card 5.1)."""
MIN_STD = 0.1
"""Added to every standard deviation of latent states and experts."""


class Gaussian(NamedTuple):
    """A diagonal Gaussian's numbers, as loops over time carry them; `mean` and `std` have the same shape."""

    mean: Tensor
    std: Tensor

    @property
    def distribution(self) -> Any:
        """TensorFlow Probability's, over vectors along the last axis."""
        return tfp.distributions.Independent(tfp.distributions.Normal(self.mean, self.std), 1)

    def sample(self, noise: Tensor) -> Tensor:
        """The reparameterised sample that `noise`, standard normal, makes."""
        return self.mean + self.std * noise


class Squash(tfp.bijectors.Tanh):  # type: ignore[misc]
    """tanh, whose inverse is finite for actions at the border too (card 5.1), which the library's is not."""

    def _inverse(self, y: Tensor) -> Tensor:
        return super()._inverse(tf.clip_by_value(y, -LARGEST_TANH, LARGEST_TANH))


# Gaussians


def gaussian_of(stats: Tensor) -> Gaussian:
    """A network's outputs (..., 2 n) -> mean and std = softplus + 0.1 of n numbers, float32."""
    mean, raw_std = tf.split(tf.cast(stats, tf.float32), 2, -1)
    return Gaussian(mean, tf.nn.softplus(raw_std) + MIN_STD)


def log_density(value: Tensor, mean: Tensor, std: Tensor | float = 1.0) -> Tensor:
    """Element-wise log-density of a normal distribution."""
    return tfp.distributions.Normal(mean, std).log_prob(value)


def kl_divergence(one: Gaussian, other: Gaussian) -> Tensor:
    """KL(one || other), summed over the last axis, nats (card 5.4)."""
    return tfp.distributions.kl_divergence(one.distribution, other.distribution)


def entropy(one: Gaussian) -> Tensor:
    """Summed over the last axis, nats."""
    return one.distribution.entropy()


# Actions


def action_gaussian(raw_mean: Tensor, raw_std: Tensor, init_std: float, mean_scale: float = 5.0) -> Gaussian:
    """What the actor's raw outputs mean before squashing: mean within +-5, std 5.0001 at output 0 (card 5.1)."""
    raw_init_std = math.log(math.expm1(init_std))
    return Gaussian(mean_scale * tf.tanh(raw_mean / mean_scale), tf.nn.softplus(raw_std + raw_init_std) + 1e-4)


def policy(gaussian: Gaussian) -> Any:
    """The squashed Gaussian over actions (..., A) in [-1, 1]."""
    squashed_normal = tfp.distributions.TransformedDistribution(
        tfp.distributions.Normal(gaussian.mean, gaussian.std), Squash()
    )
    return tfp.distributions.Independent(squashed_normal, 1)


def squashed(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """A reparameterised sample in [-1, 1]; noise: standard normal."""
    return Squash().forward(gaussian.sample(noise))


def squashed_log_density(actions: Tensor, gaussian: Gaussian) -> Tensor:
    """Log-density of actions (..., A) under the policy, summed over the last axis (card 5.1).

    Of what was played: a sample that tanh rounded to 1 counts as `LARGEST_TANH`, not as what the bijector remembers to
    have squashed.
    """
    return policy(gaussian).log_prob(tf.identity(actions))


def likeliest(gaussian: Gaussian, noise: Tensor, first_env_decides: bool = False) -> Tensor:
    """The sample of highest density: the actor's mode() (card 5.1), which no transformed distribution has.

    gaussian: (B, A); noise: (samples, B, A). `first_env_decides`: the original takes the index that is best for row 0.
    """
    samples = squashed(gaussian, noise)
    best = tf.argmax(squashed_log_density(samples, gaussian), 0)
    if first_env_decides:
        best = tf.zeros_like(best) + best[0]
    return tf.gather(tf.transpose(samples, (1, 0, 2)), best, batch_dims=1)


def squashed_entropy(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """Of the policy, estimated from samples as it has no closed form, averaged over rows, nats; noise: (samples, B,
    A)."""
    return -tf.reduce_mean(squashed_log_density(squashed(gaussian, noise), gaussian))
