"""Every formula of the paper as a pure function of tensors. N rows are all steps of all sequences, flattened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
from tensorflow import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
LARGEST_TANH = 0.99999997
"""How near to 1 a squashed action may come before it is unsquashed, float32 (card 5.1)."""
REMOVED = -1e30
"""A logit that has no weight in a float32 softmax, and whose gradient is 0 rather than undefined."""


class Gaussian(NamedTuple):
    """A diagonal Gaussian; `mean` and `std` have the same shape."""

    mean: Tensor
    std: Tensor


# Gaussians


def gaussian_log_density(value: Tensor, mean: Tensor, std: Tensor | float = 1.0) -> Tensor:
    """Element-wise log-density of a normal distribution."""
    return -0.5 * tf.square((value - mean) / std) - tf.math.log(std) - HALF_LOG_TWO_PI


def kl_divergence(one: Gaussian, other: Gaussian) -> Tensor:
    """KL(one || other) of diagonal Gaussians, summed over the last axis, nats (card 5.4)."""
    variance_ratio = tf.square(one.std / other.std)
    distance = tf.square((one.mean - other.mean) / other.std)
    return 0.5 * tf.reduce_sum(variance_ratio + distance - 1.0 - tf.math.log(variance_ratio), -1)


def gaussian_entropy(one: Gaussian) -> Tensor:
    """Entropy of a diagonal Gaussian, summed over the last axis, nats."""
    return tf.reduce_sum(tf.math.log(one.std) + HALF_LOG_TWO_PI + 0.5, -1)


def divergence_term(post: Gaussian, prior: Gaussian, free_nats: float) -> Tensor:
    """max(mean KL(post || prior), free nats): the floor lies under the mean, once (card 5.4)."""
    return tf.maximum(tf.reduce_mean(kl_divergence(post, prior)), free_nats)


# Fusion of modalities


def fuse_experts(
    experts: Sequence[Gaussian], flags: Sequence[Tensor], epsilon: float, weight: str = "inverse_std"
) -> Tensor:
    """The product of experts as the original computes it: means weighted by flag / std (card 5.2).

    experts: (..., embed) each; flags: (..., 1) each, 0 where the modality is missing. `weight` may be
    `inverse_variance`, the textbook's precision. Where everything is missing the result is 0.
    """
    power = 2 if weight == "inverse_variance" else 1
    weights = [flag / expert.std**power for flag, expert in zip(flags, experts, strict=True)]
    weighted = [one * expert.mean for one, expert in zip(weights, experts, strict=True)]
    return tf.add_n(weighted) / (tf.add_n(weights) + epsilon)


# Mutual information


def similarity(features: Tensor, codes: Tensor, kernel: str = "mse") -> Tensor:
    """W of card 5.3, (N, N): minus the squared distances of `features` (rows) and `codes` (columns), (N, D) each.

    `kernel` may be `bilinear`: their inner products.
    """
    products = tf.matmul(features, codes, transpose_b=True)
    if kernel == "bilinear":
        return products
    squares = tf.reduce_sum(tf.square(features), -1)[:, None] + tf.reduce_sum(tf.square(codes), -1)[None]
    return 2.0 * products - squares


def info_nce(similarities: Tensor, flags: Tensor, mask_logit: float = -100.0, masked: str = "logit") -> Tensor:
    """I_i = f_i (W_ii - logsumexp_j L_ij) of card 5.3, one number a row, at most 0.

    similarities: (N, N); flags: (N,). Negatives that are missing stand in the sum with `mask_logit`, or with no weight
    where `masked` is `removed` or `mask_logit` is -inf.
    """
    absent = REMOVED if masked == "removed" else max(mask_logit, REMOVED)
    logits = flags[None] * similarities + absent * (1.0 - flags[None])
    return flags * (tf.linalg.diag_part(similarities) - tf.reduce_logsumexp(logits, 1))


def info_nce_of_sensed(
    similarities: Tensor, missing: Tensor, mask_logit: float = -100.0, masked: str = "logit"
) -> Tensor:
    """`info_nce` of the rows that were sensed, from their similarities alone: (n, n) -> (n,).

    missing: how many rows besides them were not; each stands in the sum with the same logit. The others' I is 0.
    """
    among = tf.reduce_logsumexp(similarities, 1)
    if masked == "logit" and mask_logit > REMOVED:
        absent = mask_logit + tf.math.log(tf.cast(missing, tf.float32))
        among = tf.reduce_logsumexp(tf.stack([among, tf.broadcast_to(absent, tf.shape(among))]), 0)
    return tf.linalg.diag_part(similarities) - among


# Behaviour


def lambda_returns(rewards: Tensor, values: Tensor, discounts: Tensor, bootstrap: Tensor, lambda_: float) -> Tensor:
    """R_k = r_k + p_k ((1 - lambda) v_{k+1} + lambda R_{k+1}), with R_K = v_K = bootstrap (card 5.7).

    rewards, values, discounts: (K, ...); bootstrap: (...). values[k] is the value of the state that rewards[k] is paid
    at. Returns (K, ...).
    """
    next_values = tf.concat([values[1:], bootstrap[None]], 0)
    inputs = rewards + discounts * (1.0 - lambda_) * next_values
    returns = [bootstrap]
    for k in reversed(range(rewards.shape[0])):
        returns.append(inputs[k] + discounts[k] * lambda_ * returns[-1])
    return tf.stack(returns[:0:-1])


def discount_weights(discounts: Tensor) -> Tensor:
    """cumprod([1, p_0, .., p_{K-2}]) along the first axis, (K, ...): the weight of each imagined step (card 5.7)."""
    shifted = tf.concat([tf.ones_like(discounts[:1]), discounts[:-1]], 0)
    return tf.stop_gradient(tf.math.cumprod(shifted, 0))


def actor_loss(returns: Tensor, weights: Tensor) -> Tensor:
    """Minus the weighted mean of imagined returns, (K, N) each (card 5.7)."""
    return -tf.reduce_mean(weights * returns)


def value_loss(returns: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Minus the weighted mean log-density of returns, taken as given, under Normal(value, 1); (K, N) (card 5.7)."""
    return -tf.reduce_mean(weights * gaussian_log_density(tf.stop_gradient(returns), values))


# Actions


def action_gaussian(raw_mean: Tensor, raw_std: Tensor, init_std: float, mean_scale: float = 5.0) -> Gaussian:
    """What the actor's raw outputs mean before squashing: mean within +-5, std 5.0001 at output 0 (card 5.1)."""
    raw_init_std = math.log(math.expm1(init_std))
    return Gaussian(mean_scale * tf.tanh(raw_mean / mean_scale), tf.nn.softplus(raw_std + raw_init_std) + 1e-4)


def tanh_log_density(actions: Tensor, gaussian: Gaussian) -> Tensor:
    """Log-density of squashed actions, summed over the last axis; actions (..., A) in [-1, 1] (card 5.1)."""
    raw = tf.atanh(tf.clip_by_value(actions, -LARGEST_TANH, LARGEST_TANH))
    log_slope = 2.0 * (math.log(2.0) - raw - tf.nn.softplus(-2.0 * raw))
    return tf.reduce_sum(gaussian_log_density(raw, gaussian.mean, gaussian.std) - log_slope, -1)


def squashed(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """A reparameterised sample in [-1, 1]; noise: standard normal."""
    return tf.tanh(gaussian.mean + gaussian.std * noise)


def likeliest(gaussian: Gaussian, noise: Tensor, first_env_decides: bool = False) -> Tensor:
    """The sample of highest density: the actor's mode() (card 5.1).

    gaussian: (B, A); noise: (samples, B, A). `first_env_decides`: the original takes the index that is best for row 0.
    """
    samples = squashed(gaussian, noise)
    best = tf.argmax(tanh_log_density(samples, gaussian), 0)
    if first_env_decides:
        best = tf.zeros_like(best) + best[0]
    return tf.gather(tf.transpose(samples, (1, 0, 2)), best, batch_dims=1)


def tanh_entropy(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """Entropy estimated from samples, averaged over rows, nats; noise: (samples, B, A)."""
    return -tf.reduce_mean(tanh_log_density(squashed(gaussian, noise), gaussian))
