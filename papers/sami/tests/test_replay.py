"""The trajectory buffer: what is stored where, scores, and which trajectories are contrasted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import ACTION, OBSERVATION, ToySlots, filled_buffer, small_config

from sami.assembly import make_buffer
from sami.contrast import SELECTIONS, by_skill_and_task, by_skill_in_a_task, by_skill_over_all, by_task
from sami.replay import TrajectoryBuffer, pairs
from sami.streams import chooser


def empty_buffer(slots: int = 2, capacity: int = 3, horizon: int = 5, full_buffer: str = "whole") -> TrajectoryBuffer:
    return TrajectoryBuffer(slots, capacity, horizon, OBSERVATION, ACTION, 0, "cpu", full_buffer)


def play(buffer: TrajectoryBuffer, slot: int, rewards: list[float], terminated: bool = False) -> None:
    steps = len(rewards)
    observations = torch.arange(1.0, steps + 1)[:, None].expand(-1, OBSERVATION)
    buffer.extend(slot, observations, torch.full((steps, ACTION), float(sum(rewards))), torch.tensor(rewards))
    buffer.finish(slot, torch.full((OBSERVATION,), -1.0), terminated)


def test_scores_are_those_of_the_card():
    buffer = empty_buffer()
    stale = float(buffer.arrays["rewards"][0, 0, 3])
    play(buffer, 0, [1.0, 2.0, 3.0])
    assert 0 <= stale < 1
    assert buffer.scores("stale")[0, 0] == pytest.approx((6 + stale) / 4)
    assert buffer.scores("mean")[0, 0] == 2.0


def test_the_stale_entry_is_what_an_earlier_trajectory_left_there():
    buffer = empty_buffer(capacity=1)
    play(buffer, 0, [1.0, 2.0, 3.0, 50.0])
    play(buffer, 0, [0.0])
    play(buffer, 0, [1.0, 2.0, 3.0])
    assert buffer.scores("stale")[0, 0] == pytest.approx((6 + 50) / 4)


def test_valid_steps_end_with_the_trajectory_and_the_contrast_drops_one_more():
    buffer = empty_buffer()
    play(buffer, 0, [1.0, 2.0, 3.0])
    play(buffer, 1, [1.0] * 5)
    batch = buffer.gather(np.array([[0, 0], [1, 0]]))
    assert batch.time == 5
    assert batch.steps()[0].tolist() == [True, True, True, False, False]
    assert batch.steps(1)[0].tolist() == [True, True, False, False, False]


def test_a_gathered_trajectory_is_what_was_played():
    buffer = empty_buffer()
    play(buffer, 1, [1.0, 2.0], terminated=True)
    batch = buffer.gather(np.array([[1, 0]]))
    assert batch.observations[0, :, 0].tolist() == [1.0, 2.0, -1.0]
    assert batch.rewards.tolist() == [[1.0, 2.0]]
    assert (batch.lengths.item(), batch.terminated.item()) == (2, 1)


def test_the_ring_overwrites_the_oldest_and_slots_keep_apart():
    buffer = empty_buffer(capacity=2)
    for total in (1.0, 2.0, 3.0, 4.0):
        play(buffer, 0, [total])
    assert sorted(buffer.returns[0, buffer.complete(0)]) == [3.0, 4.0]
    assert buffer.complete(1).size == 0
    assert not buffer.ready
    play(buffer, 1, [1.0])
    assert buffer.ready


@pytest.mark.parametrize("capacity", [1, 2])
def test_as_many_whole_trajectories_as_the_capacity_stay_while_the_next_is_written(capacity: int):
    buffer = empty_buffer(slots=1, capacity=capacity)
    for total in (1.0, 2.0, 3.0):
        play(buffer, 0, [total])
        assert buffer.ready
    buffer.extend(0, torch.zeros(1, OBSERVATION), torch.zeros(1, ACTION), torch.zeros(1))
    assert sorted(buffer.returns[0, buffer.complete(0)]) == [1.0, 2.0, 3.0][-capacity:]


def overwriting(steps: int, old: tuple[float, ...] = (1.0, 2.0, 3.0)) -> TrajectoryBuffer:
    """Two places, both full, and `steps` steps of a new episode over the first one; old actions are the old return."""
    buffer = empty_buffer(slots=1, capacity=2, full_buffer="overwritten")
    play(buffer, 0, list(old))
    play(buffer, 0, [9.0])
    if steps:
        new = torch.full((steps, OBSERVATION), 50.0), torch.full((steps, ACTION), -1.0), torch.full((steps,), 7.0)
        buffer.extend(0, *new)
    return buffer


def test_a_full_buffer_samples_the_trajectory_that_is_written_over_as_the_original_does():
    buffer = overwriting(2)
    assert buffer.complete(0).tolist() == [0, 1]
    assert {tuple(pair) for pair in buffer.draw(chooser(0, 0, "test"), 0, 20)} == {(0, 0), (0, 1)}
    mixed = buffer.gather(np.array([[0, 0]]))
    assert mixed.lengths.tolist() == [3]
    assert mixed.rewards.tolist() == [[7.0, 7.0, 3.0]]
    assert mixed.actions[0, :, 0].tolist() == [-1.0, -1.0, 6.0]
    assert mixed.observations[0, :, 0].tolist() == [50.0, 50.0, 3.0, -1.0]


def test_the_score_of_a_trajectory_that_is_written_over_is_still_the_old_one():
    assert overwriting(2).scores("mean")[0, 0] == overwriting(0).scores("mean")[0, 0] == 2.0


@pytest.mark.parametrize(("steps", "length"), [(0, 2), (1, 2), (2, 3), (3, 4)])
def test_new_steps_beyond_the_old_end_leave_one_old_step_before_the_mark(steps: int, length: int):
    assert overwriting(steps, old=(1.0, 2.0)).gather(np.array([[0, 0]])).lengths.tolist() == [length]


def test_a_buffer_of_one_trajectory_always_samples_what_is_written_over():
    buffer = empty_buffer(slots=1, capacity=1, full_buffer="overwritten")
    assert not buffer.ready
    play(buffer, 0, [1.0, 2.0])
    buffer.extend(0, torch.zeros(1, OBSERVATION), torch.zeros(1, ACTION), torch.zeros(1))
    assert buffer.ready
    assert buffer.gather(buffer.draw(chooser(0, 0, "test"), 0, 1)).rewards.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(("full_buffer", "places"), [("overwritten", 3), ("whole", 4)])
def test_a_training_fills_its_buffer_as_its_config_says(full_buffer: str, places: int):
    config = small_config(buffer_size=3, full_buffer=full_buffer)
    buffer = make_buffer(ToySlots(), config, 0, "cpu")  # type: ignore[arg-type]
    assert (buffer.full_buffer, buffer.places) == (full_buffer, places)


def test_a_batch_takes_the_same_share_of_every_slot():
    buffer = filled_buffer(small_config(slots=3, batch_size=6, contrast_batch_size=6))
    chosen = buffer.sample(chooser(0, 0, "test"), 12)
    assert np.bincount(chosen[:, 0]).tolist() == [4, 4, 4]
    assert all(buffer.lengths[slot, number] > 0 for slot, number in chosen)


def test_the_actions_before_in_the_ring_are_those_of_the_previous_slot():
    buffer = empty_buffer(capacity=2)
    for total in (1.0, 2.0, 3.0, 4.0):
        play(buffer, 0, [total, 0.0])
    chosen = np.array([[0, 0], [0, 2]])  # the fourth, and the third
    batch = buffer.gather(chosen, buffer.before(chosen))
    assert batch.actions[:, 0, 0].tolist() == [3.0, 2.0]
    assert batch.rewards[:, 0].tolist() == [4.0, 3.0]


def test_a_loaded_buffer_is_the_saved_one_with_its_noise():
    config = small_config(buffer_size=20)
    buffer, other = filled_buffer(config), TrajectoryBuffer(2, 20, 6, OBSERVATION, ACTION, 0, "cpu")
    buffer.extend(0, torch.ones(2, OBSERVATION), torch.ones(2, ACTION), torch.ones(2))
    state = buffer.state()
    assert state["rewards"].shape[1] < 20, "places that were never written are not saved"
    other.load(state)
    for name, array in buffer.arrays.items():
        assert torch.equal(other.arrays[name], array)
    assert np.array_equal(other.scores("stale"), buffer.scores("stale"))
    assert np.array_equal(other.cursors, buffer.cursors)


def contrast_of(rule: str, seed: int, slots: int = 3):  # type: ignore[no-untyped-def]
    config = small_config(slots=slots, batch_size=6, contrast_batch_size=6)
    buffer = filled_buffer(config, lengths=(6, 4, 5, 6, 3, 6, 2, 5), seed=seed)
    scores = buffer.scores("stale")
    return SELECTIONS[rule](buffer, scores, chooser(seed, 1, "test"), 6, 3), scores, buffer


@pytest.mark.parametrize("seed", range(5))
def test_satesac_contrasts_better_with_worse_in_one_slot(seed: int):
    contrast, scores, _ = contrast_of("one", seed)
    assert len(set(contrast.positives[:, 0]) | set(contrast.negatives[:, 0])) == 1
    assert contrast.positive_scores.min() >= contrast.negative_scores.max()
    assert np.array_equal(scores[tuple(contrast.positives.T)], contrast.positive_scores)
    assert SELECTIONS["one"] is by_skill_in_a_task


@pytest.mark.parametrize("seed", range(5))
def test_saccm_contrasts_one_slots_best_with_the_worse_half_of_all(seed: int):
    contrast, _, _ = contrast_of("half", seed)
    assert len(set(contrast.positives[:, 0])) == 1
    assert contrast.positive_scores.min() > contrast.negative_scores.max()
    assert len(contrast.positives) == len(contrast.negatives) == 3
    assert SELECTIONS["half"] is by_skill_and_task


def test_saccm_skips_the_step_where_nothing_is_better():
    buffer = empty_buffer()
    play(buffer, 0, [1.0])
    play(buffer, 1, [1.0])
    assert by_skill_and_task(buffer, np.ones((2, 4)), chooser(0, 0, "test"), 4, 2) is None


def test_saccm_repeats_a_positive_only_where_there_are_too_few():
    buffer = empty_buffer(slots=2, capacity=3)
    for total in (0.0, 0.0, 9.0):
        play(buffer, 0, [total])
    for total in (0.0, 0.0, 0.0):
        play(buffer, 1, [total])
    contrast = None
    for seed in range(20):
        contrast = contrast or by_skill_and_task(buffer, buffer.scores("mean"), chooser(seed, 0, "test"), 4, 2)
    assert contrast is not None
    assert contrast.positives.tolist() == [[0, 2], [0, 2]]


@pytest.mark.parametrize("seed", range(5))
def test_ccm_contrasts_two_slots_with_scores_one_and_zero(seed: int):
    contrast, _, _ = contrast_of("env_diff", seed)
    ours, theirs = set(contrast.positives[:, 0]), set(contrast.negatives[:, 0])
    assert len(ours) == len(theirs) == 1
    assert ours != theirs
    assert set(contrast.positive_scores) == {1.0}
    assert set(contrast.negative_scores) == {0.0}
    assert SELECTIONS["env_diff"] is by_task


def test_saccmall_splits_a_batch_of_all_slots():
    contrast, _, _ = contrast_of("all", 0)
    slots = np.concatenate([contrast.positives, contrast.negatives])[:, 0]
    assert np.bincount(slots).tolist() == [2, 2, 2]
    assert contrast.positive_scores.min() >= contrast.negative_scores.max()
    assert SELECTIONS["all"] is by_skill_over_all


def test_pairs_name_slot_and_number():
    assert pairs(2, np.array([5, 7])).tolist() == [[2, 5], [2, 7]]
