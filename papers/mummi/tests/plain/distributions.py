"""The distributions' formulas written out, each as the method card has it."""

from __future__ import annotations

import math

import tensorflow as tf
from tensorflow import Tensor

from mummi.distributions import Gaussian

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_density(value: Tensor, mean: Tensor, std: Tensor | float = 1.0) -> Tensor:
    return -0.5 * tf.square((value - mean) / std) - tf.math.log(std) - HALF_LOG_TWO_PI


def kl_divergence(one: Gaussian, other: Gaussian) -> Tensor:
    variance_ratio = tf.square(one.std / other.std)
    distance = tf.square((one.mean - other.mean) / other.std)
    return 0.5 * tf.reduce_sum(variance_ratio + distance - 1.0 - tf.math.log(variance_ratio), -1)


def entropy(one: Gaussian) -> Tensor:
    return tf.reduce_sum(tf.math.log(one.std) + HALF_LOG_TWO_PI + 0.5, -1)


def squashed(gaussian: Gaussian, noise: Tensor) -> Tensor:
    return tf.tanh(gaussian.mean + gaussian.std * noise)


def squashed_log_density(actions: Tensor, gaussian: Gaussian) -> Tensor:
    raw = tf.atanh(tf.clip_by_value(actions, -0.99999997, 0.99999997))
    log_slope = 2.0 * (math.log(2.0) - raw - tf.nn.softplus(-2.0 * raw))
    return tf.reduce_sum(log_density(raw, gaussian.mean, gaussian.std) - log_slope, -1)


def squashed_entropy(gaussian: Gaussian, noise: Tensor) -> Tensor:
    return -tf.reduce_mean(squashed_log_density(squashed(gaussian, noise), gaussian))


def normal(seed: Tensor, purpose: int, shape: tuple[int, ...]) -> Tensor:
    folded = tf.random.experimental.stateless_fold_in(seed, purpose, alg="philox")
    return tf.random.stateless_normal(shape, folded, alg="philox")
