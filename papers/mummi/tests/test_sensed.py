"""Skipping what is missing changes no result: equal to the work on all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from test_learning import METHODS, noise_for
from toy_agents import learnt, made_up_batch, small_agent

from mummi.sensed import distinct_rows, each_once, sensed_rows


def test_rows_are_sensed_where_the_flag_is_set():
    flags = tf.constant([[[0.0], [1]], [[1], [0]]])
    assert sensed_rows(flags).numpy().tolist() == [1, 2]
    assert distinct_rows(flags).numpy().tolist() == [1, 2, 0]
    assert distinct_rows(tf.ones((2, 1))).numpy().tolist() == [0, 1]


@pytest.mark.parametrize("flags", [(1, 0, 0, 1, 0, 1), (0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1), (0, 1, 1, 1, 1, 1)])
def test_a_network_is_asked_once_for_all_that_is_missing(flags: tuple[int, ...]):
    seen = np.reshape(flags, (2, 3, 1)).astype(np.float32)
    inputs = tf.constant(np.arange(12, dtype=np.float32).reshape(2, 3, 2) * seen)
    asked: list[np.ndarray] = []

    def network(rows: Any) -> Any:
        asked.append(rows.numpy())
        return tf.reduce_sum(rows, -1, keepdims=True) + 0.5

    assert_allclose(each_once(network, inputs, tf.constant(seen)), tf.reduce_sum(inputs, -1, keepdims=True) + 0.5)
    assert len(asked) == 1
    assert len(asked[0]) == min(sum(flags) + 1, 6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("present", [0.0, 0.7, 1.0])
def test_losses_and_gradients_are_those_of_all_rows(method: str, present: float):
    # An actor that does not saturate: near 1, tanh's log density turns a feature's last digit into 4e-5 of the entropy.
    agent = small_agent(method, action_init_std=0.1)
    batch = {
        name: tf.constant(array) for name, array in learnt(agent, made_up_batch(agent.config, present=present)).items()
    }
    found = []
    for skips in (True, False):
        agent.model.skips_missing = skips
        found.append(agent.gradients(batch, noise_for(agent)))
    (fast, fast_metrics), (slow, slow_metrics) = found
    for name, value in slow_metrics.items():
        assert_allclose(fast_metrics[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    norm = float(tf.linalg.global_norm(slow.model))
    for one, other in zip(fast.model, slow.model, strict=True):
        assert_allclose(one, other, atol=1e-5 * norm)


def test_xla_works_on_all_rows():
    assert small_agent("mummi").model.skips_missing
    assert not small_agent("mummi", jit_compile=True).model.skips_missing
