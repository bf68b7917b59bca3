"""Random numbers as data: drawn from seeds, inside the graph, so that the same seeds give the same run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import NDArray
from tensorflow import Tensor

from mummi.behaviour import MODE_SAMPLES, Exploration, ImaginationNoise
from mummi.config import Config


class UpdateNoise(NamedTuple):
    """What one gradient step draws."""

    posterior: Tensor
    """(L, B, S), or (L, 1, S) where sequences share it."""
    imagination: ImaginationNoise
    entropy: Tensor
    """(samples, B L, A)"""


class ActingNoise(NamedTuple):
    """What one action of n environments draws."""

    posterior: Tensor
    """(n, S), or (1, S)"""
    imagination: ImaginationNoise
    """Of n, or in the forward search of n times num_samples, rollouts."""
    mode: Tensor
    """(samples, n, A)"""
    exploration: Exploration


def graph_seed(seed: int, purpose: str, number: int) -> NDArray[np.int32]:
    """Two 32-bit numbers keyed by (seed, purpose, number), as TensorFlow's stateless generators take them."""
    return (
        np.random.SeedSequence([seed, crc32(purpose.encode()), number])
        .generate_state(2)
        .astype(np.uint32)
        .view(np.int32)
    )


def normal(seed: Tensor, purpose: int, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers, float32; on CPUs and GPUs alike by the Philox generator."""
    return tfp.distributions.Normal(0.0, 1.0).sample(shape, seed=for_purpose(seed, purpose))


def uniform(seed: Tensor, purpose: int, shape: Sequence[int], low: float, high: float) -> Tensor:
    """Numbers in [low, high), float32 or, between integers, int32."""
    dtype = tf.int32 if isinstance(high, int) else tf.float32
    return tf.random.stateless_uniform(shape, for_purpose(seed, purpose), low, high, dtype, alg="philox")


def for_purpose(seed: Tensor, purpose: int) -> Tensor:
    """A seed of its own for each thing that is drawn."""
    return tf.random.experimental.stateless_fold_in(seed, purpose, alg="philox")


def update_noise(seed: Tensor, config: Config, action_size: int) -> UpdateNoise:
    """The draws of a gradient step."""
    sequences, length, stoch = config.batch_size, config.batch_length, config.stoch_size
    starts = sequences * (length - 1 if config.pcont else length)
    return UpdateNoise(
        normal(seed, 0, (length, 1 if config.shared_noise else sequences, stoch)),
        imagination_noise(seed, config, starts, action_size),
        normal(seed, 3, (MODE_SAMPLES, sequences * length, action_size)),
    )


def acting_noise(seed: Tensor, config: Config, action_size: int, rows: int) -> ActingNoise:
    """The draws of an action."""
    rollouts = rows * (getattr(config, "num_samples", 1) if getattr(config, "forward_search", False) else 1)
    return ActingNoise(
        normal(seed, 0, (1 if config.shared_noise else rows, config.stoch_size)),
        imagination_noise(seed, config, rollouts, action_size),
        normal(seed, 3, (MODE_SAMPLES, rows, action_size)),
        Exploration(
            normal(seed, 4, (rows, action_size)),
            uniform(seed, 5, (rows, action_size), -1.0, 1.0),
            uniform(seed, 6, (rows,), 0.0, 1.0),
            uniform(seed, 7, (rows,), 0, action_size),
        ),
    )


def imagination_noise(seed: Tensor, config: Config, rows: int, action_size: int) -> ImaginationNoise:
    """The draws of an imagined rollout of `rows` states."""
    latents = (config.horizon, 1 if config.shared_noise else rows, config.stoch_size)
    return ImaginationNoise(normal(seed, 1, (config.horizon, rows, action_size)), normal(seed, 2, latents))
