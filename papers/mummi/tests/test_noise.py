"""Random numbers as data: how many are drawn, which rows share them, and what keys them (card 5.1, 9.1.11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from toy_agents import ACTION_SIZE, small_config

from mummi.noise import acting_noise, update_noise

SEED = (3, 4)


def for_update(seed: tuple[int, int] = SEED, **changes: Any) -> Any:
    return update_noise(tf.constant(seed), small_config("mummi", **changes), ACTION_SIZE)


def for_acting(rows: int, **changes: Any) -> Any:
    return acting_noise(tf.constant(SEED), small_config("mummi", **changes), ACTION_SIZE, rows)


def assert_rows_differ(drawn: tf.Tensor, axis: int) -> None:
    rows = np.moveaxis(drawn.numpy(), axis, 0)
    assert len(np.unique(rows.reshape(len(rows), -1), axis=0)) == len(rows)


@pytest.mark.parametrize("shared", [True, False])
def test_latent_noise_is_one_draw_a_moment_for_the_whole_batch_only_where_shared(shared: bool):
    """3 sequences of 5 moments, 4 imagined steps from each, 4 numbers a latent state; 2 environments that act."""
    update, acting = for_update(shared_noise=shared), for_acting(2, shared_noise=shared)
    assert update.posterior.shape == (5, 1 if shared else 3, 4)
    assert update.imagination.latents.shape == (4, 1 if shared else 15, 4)
    assert acting.posterior.shape == (1 if shared else 2, 4)
    assert acting.imagination.latents.shape == (4, 1 if shared else 2, 4)
    assert_rows_differ(update.posterior, 1)
    assert_rows_differ(update.imagination.latents, 1)
    assert_rows_differ(acting.posterior, 0)
    assert_rows_differ(acting.imagination.latents, 1)


def test_moments_and_actions_never_share_their_draws():
    update, acting = for_update(), for_acting(2)
    assert update.imagination.actions.shape == (4, 15, ACTION_SIZE)
    assert acting.imagination.actions.shape == (4, 2, ACTION_SIZE)
    assert_rows_differ(update.posterior, 0)
    assert_rows_differ(update.imagination.latents, 0)
    assert_rows_differ(update.imagination.actions, 1)
    assert_rows_differ(acting.imagination.actions, 1)


def test_each_environment_has_its_own_samples_and_exploration():
    acting = for_acting(2)
    assert acting.mode.shape == (100, 2, ACTION_SIZE)
    assert_rows_differ(acting.mode, 1)
    for drawn in acting.exploration[:3]:
        assert drawn.shape[0] == 2
        assert_rows_differ(drawn, 0)


def test_exploration_is_drawn_from_all_that_it_may_be():
    drawn = for_acting(300).exploration
    assert set(drawn.index.numpy()) == set(range(ACTION_SIZE))
    for numbers, low, high in ((drawn.uniform, -1, 1), (drawn.chance, 0, 1)):
        assert low <= numbers.numpy().min() < low + 0.02
        assert high - 0.02 < numbers.numpy().max() < high


def test_the_forward_search_draws_for_each_of_its_rollouts():
    searching = {"trajectory_opt": False, "forward_search": True, "num_samples": 7}
    acting = for_acting(2, shared_noise=False, **searching)
    assert acting.imagination.actions.shape == (4, 14, ACTION_SIZE)
    assert acting.imagination.latents.shape == (4, 14, 4)
    assert acting.posterior.shape == (2, 4)


def test_with_pcont_imagination_begins_at_one_state_fewer_a_sequence():
    assert for_update(pcont=True).imagination.actions.shape == (4, 12, ACTION_SIZE)


def test_draws_are_keyed_by_the_seed_and_independent_of_each_other():
    one, same, other = for_update(), for_update(), for_update((3, 5))
    assert (one.posterior == same.posterior).numpy().all()
    assert not (one.posterior == other.posterior).numpy().any()
    parts = (one.posterior, one.imagination.actions, one.imagination.latents, one.entropy)
    firsts = {float(tf.reshape(part, [-1])[0]) for part in parts}
    assert len(firsts) == len(parts)


@pytest.mark.parametrize("part", ["posterior", "entropy"])
def test_draws_are_standard_normal(part: str):
    drawn = getattr(for_update(batch_size=40, batch_length=20, shared_noise=False), part).numpy()
    assert abs(drawn.mean()) < 0.1
    assert drawn.std() == pytest.approx(1, abs=0.1)
