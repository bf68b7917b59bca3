"""The formulas against numbers worked out by hand (card 9.1)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from mummi.distributions import Gaussian, kl_divergence
from mummi.objectives import (
    actor_loss,
    discount_weights,
    divergence_term,
    fuse_experts,
    info_nce,
    info_nce_of_sensed,
    lambda_returns,
    similarity,
    value_loss,
)

EXPERTS = [Gaussian(tf.constant([[mean]]), tf.constant([[std]])) for mean, std in ((1.0, 0.5), (2.0, 1.0), (4.0, 2.0))]


def constant(*numbers: float) -> tf.Tensor:
    return tf.constant(numbers, tf.float32)


@pytest.mark.parametrize(("flags", "fused"), [("111", 6 / 3.51), ("011", 4 / 1.51), ("001", 2 / 0.51), ("000", 0.0)])
def test_experts_are_fused_by_flag_over_std(flags: str, fused: float):
    given = [tf.constant([[float(flag)]]) for flag in flags]
    assert_allclose(fuse_experts(EXPERTS, given, 0.01), [[fused]], rtol=1e-6)


def test_experts_may_be_weighted_by_precision():
    flags = [tf.ones((1, 1))] * 3
    assert_allclose(fuse_experts(EXPERTS, flags, 0.01, "inverse_variance"), [[7 / 5.26]], rtol=1e-6)


Z = tf.constant([[1.0, 1], [2, 2], [3, 3]])
X = tf.constant([[3.0, 3], [2, 2], [0, 0]])


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        ((1, 1, 0), (-6.0024757, -0.1269280, 0)),
        ((1, 1, 1), (-6.6943858, -0.1272234, -18.1269280)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_info_nce_of_squared_distances(flags: tuple[float, ...], rows: tuple[float, ...]):
    assert_allclose(info_nce(similarity(Z, X), constant(*flags)), rows, rtol=1e-6, atol=1e-7)


def test_info_nce_of_inner_products():
    bound = info_nce(similarity(tf.eye(2), tf.constant([[1.0, 0], [0, 2]]), "bilinear"), tf.ones(2))
    assert_allclose(bound, (-0.3132617, -0.1269280), rtol=1e-6)


def test_removed_negatives_count_nothing_and_send_no_gradient():
    far = tf.constant([[30.0, 30], [2, 2], [0, 0]])  # squared distances beyond 100: the logit of card 5.3 would win
    flags = constant(1, 1, 0)
    with tf.GradientTape() as tape:
        tape.watch(far)
        bound = info_nce(similarity(Z, far), flags, masked="removed")
    squares = -np.square(Z.numpy()[:, None] - far.numpy()[None, :2]).sum(-1)
    expected = np.diag(squares) - np.log(np.exp(squares).sum(1)[:2])
    assert_allclose(bound[:2], expected, rtol=1e-5)
    assert np.isfinite(tape.gradient(bound, far).numpy()).all()


def test_a_logit_of_minus_infinity_removes():
    flags = constant(1, 0, 1)
    expected = info_nce(similarity(Z, X), flags, masked="removed")
    assert_allclose(info_nce(similarity(Z, X), flags, -math.inf), expected)


def test_removed_negatives_where_nothing_is_present():
    assert_allclose(info_nce(similarity(Z, X), tf.zeros(3), masked="removed"), (0, 0, 0))


@pytest.mark.parametrize(
    ("mask_logit", "masked"), [(-100.0, "logit"), (-8.0, "logit"), (-100.0, "removed"), (-math.inf, "logit")]
)
@pytest.mark.parametrize("present", [0.0, 0.1, 0.6, 1.0])
def test_the_bound_of_what_was_sensed_is_the_bound_of_all_rows(present: float, mask_logit: float, masked: str):
    draw = np.random.default_rng(0)
    features, codes = (tf.constant(draw.normal(size=(20, 3)), tf.float32) for _ in range(2))
    flags = tf.constant(np.arange(20) < 20 * present, tf.float32)
    among = similarity(features, codes)[: int(20 * present), : int(20 * present)]
    expected = info_nce(similarity(features, codes), flags, mask_logit, masked).numpy()
    found = info_nce_of_sensed(among, tf.constant(20 - len(among)), mask_logit, masked)
    assert_allclose(found, expected[: len(among)], rtol=1e-5, atol=1e-5)
    assert not expected[len(among) :].any()


@pytest.mark.parametrize(
    ("p", "lambda_", "expected"),
    [
        (0.99, 0.95, (42.94905715, 43.5503, 42.6)),
        (0.5, 0.5, (9.8125, 15.25, 23.0)),
        (0.99, 0.0, (1 + 0.99 * 20, 2 + 0.99 * 30, 3 + 0.99 * 40)),
        (0.99, 1.0, (1 + 0.99 * (2 + 0.99 * (3 + 0.99 * 40)), 2 + 0.99 * (3 + 0.99 * 40), 3 + 0.99 * 40)),
    ],
)
def test_lambda_returns(p: float, lambda_: float, expected: tuple[float, ...]):
    returns = lambda_returns(constant(1, 2, 3), constant(10, 20, 30), p * tf.ones(3), tf.constant(40.0), lambda_)
    assert_allclose(returns, expected, rtol=1e-6)


def test_discount_weights_of_the_papers_horizon():
    weights = discount_weights(0.99 * tf.ones((14, 2)))
    assert weights.shape == (14, 2)
    assert_allclose(weights[0], 1)
    assert_allclose(weights[-1], 0.877521, rtol=1e-5)


def test_kl_divergence_and_its_floor():
    one, other = Gaussian(constant(1, 0), constant(1, 0.5)), Gaussian(constant(0, 0), constant(1, 1))
    assert_allclose(kl_divergence(one, other), 0.8181472, rtol=1e-6)
    assert float(divergence_term(one, other, 3.0)) == 3.0
    assert_allclose(divergence_term(one, other, 0.5), 0.8181472, rtol=1e-6)


def test_the_floor_lies_under_the_mean_and_not_under_each_row():
    one = Gaussian(tf.constant([[0.0], [4.0]]), tf.ones((2, 1)))
    assert_allclose(divergence_term(one, Gaussian(tf.zeros((2, 1)), tf.ones((2, 1))), 3.0), 4.0)


def test_losses_of_actor_and_value():
    returns, values, weights = tf.constant([[2.0], [4.0]]), tf.constant([[1.0], [4.0]]), tf.constant([[1.0], [0.5]])
    assert_allclose(actor_loss(returns, weights), -2.0)
    density = -0.5 * math.log(2 * math.pi)
    assert_allclose(value_loss(returns, values, weights), -((density - 0.5) + 0.5 * density) / 2, rtol=1e-6)
