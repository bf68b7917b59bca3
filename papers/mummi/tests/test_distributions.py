"""Distributions: the library's against the formulas written out, and against numbers worked out by hand (card 9.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from plain import distributions as plain

from mummi import distributions, noise
from mummi.distributions import (
    Gaussian,
    action_gaussian,
    entropy,
    likeliest,
    log_density,
    squashed,
    squashed_log_density,
)


def constant(*numbers: float) -> tf.Tensor:
    return tf.constant(numbers, tf.float32)


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[tf.Tensor]:
    draw = np.random.default_rng(seed)
    return [tf.constant(draw.normal(size=shape), tf.float32) for shape in shapes]


def gaussian(seed: int, *shape: int) -> Gaussian:
    """Means and spreads as networks give them early and late: std from 0.1 to 5."""
    mean, std = drawn(seed, shape, shape)
    return Gaussian(2 * mean, tf.clip_by_value(tf.exp(std), 0.1, 5.0))


ONE, OTHER, NOISE = gaussian(1, 40, 6), gaussian(2, 40, 6), drawn(3, (100, 40, 6))[0]
PLAYED = tf.concat([tf.tanh(drawn(4, (38, 6))[0]), [[1.0] * 6, [-1.0] * 6]], 0)
"""Actions, two of them at the border."""
CASES: dict[str, tuple[Any, ...]] = {
    "log_density": (NOISE, ONE.mean, ONE.std),
    "kl_divergence": (ONE, OTHER),
    "entropy": (ONE,),
    "squashed": (ONE, NOISE),
    "squashed_log_density": (PLAYED, ONE),
    "squashed_entropy": (ONE, NOISE),
}
"""Function -> what it is given."""


def with_gradients(function: Callable[..., tf.Tensor], given: Sequence[Any]) -> list[tf.Tensor]:
    """The result, and the gradient of its sum in each number that it was given."""
    numbers = tf.nest.flatten(given)
    with tf.GradientTape() as tape:
        tape.watch(numbers)
        result = function(*given)
        total = tf.reduce_sum(result)
    return [result, *tape.gradient(total, numbers, unconnected_gradients=tf.UnconnectedGradients.ZERO)]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_librarys_distributions_equal_the_formulas_written_out(name: str, graph: bool):
    def both() -> list[list[tf.Tensor]]:
        return [with_gradients(getattr(room, name), CASES[name]) for room in (distributions, plain)]

    found, expected = tf.function(both)() if graph else both()
    for one, other in zip(found, expected, strict=True):
        scale = float(tf.reduce_max(tf.abs(other)))
        assert_allclose(one, other, rtol=1e-6, atol=1e-6 * scale)


def test_samples_that_tanh_rounds_to_the_border_are_judged_as_played():
    wide, noise_of_all = Gaussian(constant(1.0), constant(5.0)), constant(4.0)
    expected = plain.squashed_log_density(plain.squashed(wide, noise_of_all), wide)
    assert float(tf.reduce_max(squashed(wide, noise_of_all))) == 1.0
    assert_allclose(squashed_log_density(squashed(wide, noise_of_all), wide), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7,), (3, 5, 2)])
def test_draws_are_those_of_the_seeded_generator_bit_for_bit(shape: tuple[int, ...]):
    seed = tf.constant((3, -4))
    assert (noise.normal(seed, 2, shape).numpy() == plain.normal(seed, 2, shape).numpy()).all()


def test_log_densities():
    assert_allclose(log_density(constant(0.5), constant(1)), [-1.0439385], rtol=1e-6)
    assert_allclose(12288 * log_density(constant(0), constant(0)), [-11291.9167], rtol=1e-6)
    assert_allclose(4096 * log_density(constant(0), constant(0)), [-3763.9722], rtol=1e-6)


def test_the_actor_at_zero_output():
    one = action_gaussian(tf.zeros(2), tf.zeros(2), 5.0)
    assert_allclose(one.std, 5.0001, rtol=1e-6)
    assert_allclose(one.mean, 0)
    assert_allclose(action_gaussian(constant(1000), constant(0), 5.0).mean, 5.0)


def test_squashed_densities_integrate_to_one():
    one = Gaussian(constant(0.3), constant(0.7))
    actions = np.linspace(-0.9999, 0.9999, 20001, dtype=np.float32)[:, None]
    density = np.exp(squashed_log_density(tf.constant(actions), one).numpy())
    assert_allclose(np.trapezoid(density, actions[:, 0]), 1, atol=1e-3)


def test_densities_at_the_border_are_finite():
    assert np.isfinite(squashed_log_density(constant(1), Gaussian(constant(0), constant(1))).numpy()).all()


def test_the_likeliest_sample_of_each_row_or_the_first_rows_choice():
    one = Gaussian(tf.constant([[0.0], [3.0]]), tf.fill((2, 1), 0.1))
    draws = tf.constant([[[0.0], [3.0]], [[2.0], [0.0]]])  # sample 0 is row 0's mean, sample 1 row 1's
    assert_allclose(likeliest(one, draws), np.tanh([[0.0], [3.0]]), rtol=1e-5)
    chosen = likeliest(one, draws, first_env_decides=True)
    assert_allclose(chosen, squashed(one, draws[0]), rtol=1e-6)


def test_entropy_of_thirty_dimensions_near_where_networks_begin():
    one = Gaussian(tf.zeros(30), tf.fill((30,), 0.7931472))
    assert_allclose(entropy(one), 30 * (0.5 + 0.5 * math.log(2 * math.pi) + math.log(0.7931472)), rtol=1e-5)
    assert 35 < float(entropy(one)) < 36
