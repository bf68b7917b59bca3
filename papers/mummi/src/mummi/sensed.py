"""Work on what was sensed alone: moments at which a sensor is missing look all alike, and in sums count nothing.

Over a quarter of all frames are missing (card 2.5). Results are those of all rows, up to the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow import Tensor


def sensed_rows(flags: Tensor) -> Tensor:
    """Numbers of the rows whose sensor was there, (n,); flags: (..., 1), 0 where it was missing."""
    return tf.where(tf.reshape(flags, [-1]) > 0)[:, 0]


def distinct_rows(flags: Tensor) -> Tensor:
    """The same, then one row of those that are missing, if any: never empty, which some gradients cannot bear."""
    one_missing = tf.where(tf.reshape(flags, [-1]) <= 0)[:1, 0]
    return tf.concat([sensed_rows(flags), one_missing], 0)


def each_once(network: Callable[[Tensor], Tensor], inputs: Tensor, flags: Tensor) -> Tensor:
    """network(inputs), computed for each row that was sensed and once for all that are missing.

    inputs: (..., shape of one observation), alike wherever the flag is 0, as missing sensors are (card 4.6);
    flags: (..., 1). `network` maps (n, shape of one observation) to (n, E); returns (..., E).
    """
    leading = flags.shape[:-1]
    rows = tf.reshape(inputs, (-1, *inputs.shape[len(leading) :]))
    outputs = network(tf.gather(rows, distinct_rows(flags)))
    there = tf.cast(tf.reshape(flags, [-1]) > 0, tf.int32)
    places = tf.where(there > 0, tf.cumsum(there) - 1, tf.reduce_sum(there))
    return tf.reshape(tf.gather(outputs, places), (*leading, outputs.shape[-1]))
