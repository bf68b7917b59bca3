"""Every formula of the paper as a pure function of tensors. N rows are all steps of all sequences, flattened."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import Tensor

from mummi.distributions import Gaussian, kl_divergence, log_density

REMOVED = -1e30
"""A logit that has no weight in a float32 softmax, and whose gradient is 0 rather than undefined."""


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
    return -tf.reduce_mean(weights * log_density(tf.stop_gradient(returns), values))
