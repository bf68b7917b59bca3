"""Sizes and shapes of the networks (card 5.1, 9.1), and weights as a list that can be set and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from toy_agents import small_agent

from mirl.config import ConfigError
from mummi.agent import Agent
from mummi.describe import parameter_counts
from mummi.distributions import Gaussian, gaussian_of
from mummi.networks import ConvDecoder, ConvEncoder, Dense, Gru, Maker, parameters, set_parameters
from mummi.rssm import Latent, Rssm, sampled

ENCODERS = {"image_encoder": 690_144, "depth_encoder": 689_120}
HEADS = {"reward": 253_201, "actor": 578_412, "value": 413_601}
COUNTS: dict[str, dict[str, int]] = {
    "mummi": {
        **ENCODERS, **HEADS, "touch_encoder": 165_504, "rssm": 557_920, "latent_map": 236_544, "model": 12_038_833,
        "image_expert": 3_148_800, "depth_expert": 3_148_800, "touch_expert": 3_148_800,
    },
    "cvrl": {**ENCODERS, **HEADS, "touch_encoder": 395_520, "rssm": 967_520, "critic": 1_395_800, "model": 4_391_305},
    "dreamer": {
        **ENCODERS, **HEADS, "touch_encoder": 165_504, "rssm": 967_520, "model": 10_395_287,
        "image_decoder": 3_795_555, "depth_decoder": 3_793_249, "touch_decoder": 40_994,
    },
}  # fmt: skip


@pytest.mark.parametrize("method", COUNTS)
def test_parameter_counts_are_the_papers(method: str):
    assert parameter_counts("walker_walk", method) == COUNTS[method]


@pytest.mark.parametrize(("method", "per_touch"), [("mummi", 128), ("cvrl", 256), ("dreamer", 128)])
def test_another_domain_changes_first_and_last_layers_alone(method: str, per_touch: int):
    walker, quadruped = parameter_counts("walker_walk", method), parameter_counts("quadruped_walk", method)
    assert quadruped["touch_encoder"] - walker["touch_encoder"] == 2 * per_touch
    assert quadruped["rssm"] - walker["rssm"] == 6 * 200
    assert quadruped["actor"] - walker["actor"] == 6 * 802
    if method == "dreamer":
        assert quadruped["touch_decoder"] - walker["touch_decoder"] == 2 * 97


def test_the_recurrent_unit_has_the_papers_size():
    assert sum(array.size for array in parameters(Gru(Maker(0), 200, 200)).values()) == 241_200


def test_shapes_through_the_convolutions():
    encoder = ConvEncoder(Maker(0), 3, 32, "relu")
    sides, pictures = [64], tf.zeros((1, 64, 64, 3))
    for kernel in encoder.kernels:
        pictures = tf.nn.conv2d(pictures, kernel, 2, "VALID")
        sides.append(int(pictures.shape[1]))
    assert sides == [64, 31, 14, 6, 2]
    assert encoder(tf.zeros((2, 5, 64, 64, 3))).shape == (2, 5, 1024)
    assert ConvDecoder(Maker(0), 230, 1, 32, "relu")(tf.zeros((2, 5, 230))).shape == (2, 5, 64, 64, 1)


def test_a_recurrent_step_by_hand():
    gru = Gru(Maker(0), 2, 3)
    x, h = np.array([[0.3, -1.0]], np.float32), np.array([[0.5, 0.1, -0.7]], np.float32)
    weights = parameters(gru)
    bias = weights["bias"] + np.arange(18, dtype=np.float32).reshape(2, 9) / 10
    set_parameters(gru, weights | {"bias": bias})
    given, kept = (x @ weights["kernel"] + bias[0])[0], (h @ weights["recurrent_kernel"] + bias[1])[0]
    sigmoid = lambda value: 1 / (1 + np.exp(-value))  # noqa: E731
    z, r = sigmoid(given[:3] + kept[:3]), sigmoid(given[3:6] + kept[3:6])
    candidate = np.tanh(given[6:] + r * kept[6:])
    assert_allclose(gru(x, h)[0], z * h[0] + (1 - z) * candidate, rtol=1e-5)


def linear(values: np.ndarray) -> np.ndarray:
    return values


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


def elu(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.expm1(values))


def with_biases(layers: Sequence[Dense], seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give layers other biases than their first ones, zero; returns kernels and biases."""
    draw = np.random.default_rng(seed)
    for layer in layers:
        layer.bias.assign(draw.normal(size=layer.bias.shape))
    return [(layer.kernel.numpy(), layer.bias.numpy()) for layer in layers]


LAYERS: dict[str, tuple[str, Callable[[Agent], Sequence[Dense]], Sequence[Callable[[np.ndarray], np.ndarray]]]] = {
    "mummi's touch encoder": ("mummi", lambda agent: agent.model.encoders["touch"].layers, [relu] * 4),
    "cvrl's touch encoder": ("cvrl", lambda agent: agent.model.encoders["touch"].layers, [relu] * 4),
    "dreamer's touch encoder": ("dreamer", lambda agent: agent.model.encoders["touch"].layers, [relu] * 4),
    "image expert": ("mummi", lambda agent: agent.model.experts["image"].layers, [relu, linear]),
    "touch expert": ("mummi", lambda agent: agent.model.experts["touch"].layers, [relu, linear]),
    "latent map": ("mummi", lambda agent: [agent.model.latent_map], [relu]),
    "critic of features": ("cvrl", lambda agent: agent.model.critic_features, [elu] * 2),
    "critic of codes": ("cvrl", lambda agent: agent.model.critic_codes, [elu] * 2),
    "touch decoder": ("dreamer", lambda agent: agent.model.decoders["touch"].layers, [elu] * 3 + [linear]),
    "reward": ("mummi", lambda agent: agent.model.reward.layers, [elu] * 2 + [linear]),
    "pcont": ("mummi", lambda agent: agent.model.pcont.layers, [elu] * 3 + [linear]),
    "value": ("mummi", lambda agent: agent.behaviour.value.layers, [elu] * 3 + [linear]),
    "actor": ("mummi", lambda agent: agent.behaviour.actor.stack.layers, [elu] * 4 + [linear]),
    "prior": ("mummi", lambda agent: [agent.model.rssm.prior_hidden, agent.model.rssm.prior_stats], [elu, linear]),
    "posterior": ("mummi", lambda agent: [agent.model.rssm.post_hidden, agent.model.rssm.post_stats], [elu, linear]),
    "prior's input": ("mummi", lambda agent: [agent.model.rssm.prior_input], [elu]),
}
"""Part -> method, its dense layers, and their activations as the card lists them."""


@pytest.mark.parametrize("part", LAYERS)
def test_dense_layers_by_hand(part: str):
    method, find, activations = LAYERS[part]
    layers = find(small_agent(method, pcont=True))
    weights = with_biases(layers)
    outputs = values = np.random.default_rng(1).normal(size=(7, weights[0][0].shape[0]))
    for layer, (kernel, bias), activation in zip(layers, weights, activations, strict=True):
        outputs = activation(outputs @ kernel + bias)
        values = layer(tf.constant(values, tf.float32))
        assert_allclose(values, outputs, atol=1e-4, rtol=1e-4)


def test_an_experts_outputs_are_a_mean_and_a_raw_standard_deviation():
    expert = gaussian_of(tf.constant([[1.0, -2.0, 0.0, 3.0]]))
    assert_allclose(expert.mean, [[1, -2]])
    assert_allclose(expert.std, [[0.7931472, 3.1485874]], rtol=1e-6)


def test_convolutions_by_hand():
    """Four of them, each followed by a ReLU."""
    encoder = ConvEncoder(Maker(0), 3, 2, "relu")
    draw = np.random.default_rng(0)
    for bias in encoder.biases:
        bias.assign(draw.normal(scale=0.1, size=bias.shape))
    pictures = draw.uniform(-0.5, 0.5, (2, 64, 64, 3)).astype(np.float32)
    expected = pictures
    for kernel, bias in zip(encoder.kernels, encoder.biases, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(expected, (4, 4), (1, 2))[:, ::2, ::2]
        expected = relu(np.einsum("nijcab,abco->nijo", windows, kernel.numpy()) + bias.numpy())
    assert (expected == 0).any()
    assert_allclose(encoder(pictures), expected.reshape(2, -1), atol=1e-5)


def test_transposed_convolutions_by_hand():
    """A linear layer, three of them with a ReLU, and a linear one."""
    decoder = ConvDecoder(Maker(0), 5, 3, 1, "relu")
    [(dense, dense_bias)] = with_biases([decoder.dense])
    draw = np.random.default_rng(0)
    for bias in decoder.biases:
        bias.assign(draw.normal(scale=0.1, size=bias.shape))
    features = draw.normal(size=(2, 5)).astype(np.float32)
    expected = (features @ dense + dense_bias).reshape(2, 1, 1, -1)
    for kernel, bias, activation in zip(decoder.kernels, decoder.biases, [relu] * 3 + [linear], strict=True):
        window, side = kernel.shape[0], expected.shape[1]
        larger = np.zeros((2, 2 * (side - 1) + window, 2 * (side - 1) + window, kernel.shape[2]))
        for row in range(side):
            for column in range(side):
                stamp = np.einsum("nc,aboc->nabo", expected[:, row, column], kernel.numpy())
                larger[:, 2 * row : 2 * row + window, 2 * column : 2 * column + window] += stamp
        expected = activation(larger + bias.numpy())
    assert (expected < 0).any()
    assert_allclose(decoder(features), expected, atol=1e-5)


def test_a_prior_and_a_posterior_step_by_hand():
    """The deterministic part comes from sample and action alone; the posterior then sees it beside the embedding."""
    rssm = Rssm(Maker(0), 2, 4, 3, 5, "elu")
    draw = np.random.default_rng(0)
    mean, std, stoch, action, embedding, noise = (
        draw.normal(size=(2, size)).astype(np.float32) for size in (3, 3, 3, 2, 4, 3)
    )
    deter = draw.normal(size=(2, 5)).astype(np.float32)
    latent = Latent(*(tf.constant(part) for part in (mean, std, stoch, deter)))
    prior = rssm.prior_step(latent, tf.constant(action), tf.constant(noise))
    post = rssm.posterior_step(latent, tf.constant(action), tf.constant(embedding), tf.constant(noise))

    def dense(layer: Dense, values: np.ndarray) -> np.ndarray:
        return values @ layer.kernel.numpy() + layer.bias.numpy()

    hidden = elu(dense(rssm.prior_input, np.concatenate([stoch, action], 1)))
    next_deter = rssm.gru(tf.constant(hidden, tf.float32), latent.deter).numpy()
    stats = {
        "prior": dense(rssm.prior_stats, elu(dense(rssm.prior_hidden, next_deter))),
        "post": dense(rssm.post_stats, elu(dense(rssm.post_hidden, np.concatenate([next_deter, embedding], 1)))),
    }
    for name, found in (("prior", prior), ("post", post)):
        expected_mean, expected_std = stats[name][:, :3], np.log1p(np.exp(stats[name][:, 3:])) + 0.1
        assert_allclose(found.deter, next_deter, atol=1e-5, err_msg=name)
        assert_allclose(found.mean, expected_mean, atol=1e-5, err_msg=name)
        assert_allclose(found.std, expected_std, atol=1e-5, err_msg=name)
        assert_allclose(found.stoch, expected_mean + expected_std * noise, atol=1e-5, err_msg=name)
        assert_allclose(found.feature, np.concatenate([found.stoch, found.deter], 1), err_msg=name)


def test_weights_begin_as_keras_has_them():
    dense = Dense(Maker(3), 300, 200)
    kernel = parameters(dense)["kernel"]
    limit = np.sqrt(6 / 500)
    assert np.abs(kernel).max() <= limit
    assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.02)
    assert not parameters(dense)["bias"].any()
    recurrent = parameters(Gru(Maker(3), 20, 20))["recurrent_kernel"]
    assert_allclose(recurrent @ recurrent.T, np.eye(20), atol=1e-5)


@pytest.mark.parametrize("method", COUNTS)
def test_a_seed_makes_the_weights_and_they_can_be_set(method: str):
    one, same, other = small_agent(method, 0), small_agent(method, 0), small_agent(method, 1)
    values = one.parameters()
    assert list(values) == sorted(values)
    assert all((values[name] == array).all() for name, array in same.parameters().items())
    assert any((values[name] != array).any() for name, array in other.parameters().items())
    other.set_parameters(values)
    assert all((values[name] == array).all() for name, array in other.parameters().items())


@pytest.mark.parametrize("wrong", [{"actor/dense_0/kernel": np.zeros((1, 1), np.float32)}, {"stranger": np.zeros(1)}])
def test_weights_that_do_not_fit_are_refused_and_none_is_set(wrong: dict[str, Any]):
    agent = small_agent("mummi")
    before = agent.parameters()
    changed = {name: array + 1 for name, array in before.items()}
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        agent.set_parameters(changed | wrong)
    assert all((before[name] == array).all() for name, array in agent.parameters().items())


def test_std_at_zero_output():
    rssm = Rssm(Maker(0), 2, 4, 3, 5, "elu")
    set_parameters(rssm, {name: np.zeros_like(array) for name, array in parameters(rssm).items()})
    latent = rssm.prior_step(rssm.initial(2), tf.zeros((2, 2)), tf.zeros((1, 3)))
    assert_allclose(latent.std, 0.7931472, rtol=1e-6)


def test_shared_noise_gives_equal_rows_equal_samples():
    equal = Gaussian(tf.fill((2, 3), 0.5), tf.fill((2, 3), 2.0))
    shared = sampled(equal, tf.zeros((2, 1)), tf.random.stateless_normal((1, 3), (0, 1)))
    own = sampled(equal, tf.zeros((2, 1)), tf.random.stateless_normal((2, 3), (0, 1)))
    assert (shared.stoch[0] == shared.stoch[1]).numpy().all()
    assert not (own.stoch[0] == own.stoch[1]).numpy().any()
