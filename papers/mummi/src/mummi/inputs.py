"""What the networks see of observations (card 4.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf
from tensorflow import Tensor

from mummi.config import Config

FAR_M = 200.0
"""Depth is divided by it, metres."""


def network_inputs(observations: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """image (..., 64, 64, 3) and depth (..., 64, 64, 1) around 0, touch (..., T) scaled, flags (..., 1); float32.

    A sensor that is missing was zeroed before, so it comes out as -0.5 (image, depth) or 0 (touch).
    """
    scale: dict[str, Callable[[Tensor], Tensor]] = {
        "image": lambda image: image / 255.0 - 0.5,
        "depth": lambda depth: depth / FAR_M - 0.5,
        "touch": lambda touch: touch / config.touch_scale,
    }
    inputs = {name: scale[name](tf.cast(observations[name], tf.float32)) for name in config.modalities}
    flags = {f"{name}_flag": tf.cast(observations[f"{name}_flag"], tf.float32) for name in config.modalities}
    return inputs | flags


def clipped_rewards(rewards: Tensor, config: Config) -> Tensor:
    """Rewards as they are learnt from, float32."""
    rewards = tf.cast(rewards, tf.float32)
    return tf.tanh(rewards) if config.clip_rewards == "tanh" else rewards
