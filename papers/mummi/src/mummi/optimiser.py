"""Adam with a clipped global norm and, for float16, dynamic loss scaling (card 5.9)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf
from tensorflow import Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults."""
FIRST_SCALE, GOOD_STEPS = 2.0**15, 2000
"""The loss scale to begin with, and the updates without overflow after which it doubles."""


class Adam(tf.Module):  # type: ignore[misc]
    """One optimiser's moments, and the variables it moves."""

    def __init__(
        self, name: str, variables: Sequence[tf.Variable], learning_rate: float, clip: float,
        decay: float = 0.0, decay_pattern: str = ".*", scaled: bool = False,
    ) -> None:  # fmt: skip
        """`scaled`: multiply losses by a scale that follows the gradients' overflows."""
        super().__init__()
        self.moved = sorted(variables, key=lambda variable: variable.name)
        self.learning_rate, self.clip, self.scaled = learning_rate, clip, scaled
        shares = [decay if re.search(decay_pattern, variable.name) else 0.0 for variable in self.moved]
        self.keeps = [1.0 - learning_rate * share for share in shares]
        places = [variable.name.removesuffix(":0") for variable in self.moved]
        self.first = [
            tf.Variable(tf.zeros_like(variable), trainable=False, name=f"{name}_adam/{place}/first")
            for variable, place in zip(self.moved, places, strict=True)
        ]
        self.second = [
            tf.Variable(tf.zeros_like(variable), trainable=False, name=f"{name}_adam/{place}/second")
            for variable, place in zip(self.moved, places, strict=True)
        ]
        self.count = tf.Variable(0.0, trainable=False, name=f"{name}_adam/count")
        self.scale = tf.Variable(FIRST_SCALE if scaled else 1.0, trainable=False, name=f"{name}_adam/scale")
        self.good = tf.Variable(0.0, trainable=False, name=f"{name}_adam/good")

    def apply(self, gradients: Sequence[Tensor]) -> Tensor:
        """Move the variables against gradients of the scaled loss; returns the global norm before clipping.

        Gradients come in the order of `moved`. Where one is not finite and losses are scaled, nothing moves.
        """
        gradients = [tf.cast(gradient, tf.float32) / self.scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(norm)
        go = finite if self.scaled else tf.constant(True)
        factor = tf.where(go, self.clip / tf.maximum(norm, self.clip), 0.0)
        self.count.assign_add(tf.where(go, 1.0, 0.0))
        count = tf.maximum(self.count, 1.0)
        rate = self.learning_rate * tf.sqrt(1.0 - BETA_2**count) / (1.0 - BETA_1**count)
        parts = zip(self.moved, gradients, self.first, self.second, self.keeps, strict=True)
        for variable, gradient, first, second, keep in parts:
            clipped = gradient * factor
            if self.scaled:
                clipped = tf.where(go, clipped, 0.0)
            next_first = BETA_1 * first + (1.0 - BETA_1) * clipped
            next_second = BETA_2 * second + (1.0 - BETA_2) * tf.square(clipped)
            moved = keep * variable - rate * next_first / (tf.sqrt(next_second) + EPSILON)
            first.assign(tf.where(go, next_first, first))
            second.assign(tf.where(go, next_second, second))
            variable.assign(tf.where(go, moved, variable))
        if self.scaled:
            self.follow(finite)
        return norm

    def follow(self, finite: Tensor) -> None:
        """Double the scale after enough good updates, halve it after an overflow."""
        good = tf.where(finite, self.good + 1.0, 0.0)
        grown = tf.where(good >= GOOD_STEPS, self.scale * 2.0, self.scale)
        self.scale.assign(tf.where(finite, grown, tf.maximum(self.scale / 2.0, 1.0)))
        self.good.assign(tf.where(good >= GOOD_STEPS, 0.0, good))
