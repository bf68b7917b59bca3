"""MuJoCo slots against one gym environment after the other, and against themselves after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from plain.slots import PlainSlots

from sami.envs import make_slots
from sami.patches import patched
from sami.settings import TASKS, task_sets

MUJOCO_TASKS = [task for task in TASKS if task != "panda"]


def tuples_of(task: str) -> tuple[Any, ...]:
    """Tuples of which every other slot differs."""
    return task_sets(task)["training"].tuples[:2] + task_sets(task)["extreme"].tuples[:1]


def actions(count: int, slots: Any, seed: int = 0) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield generator.uniform(-1, 1, (slots.n_slots, slots.action_size)).astype(np.float32)


def equal_steps(one: Any, other: Any) -> None:
    for first, second in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert one.finished == other.finished


@pytest.mark.parametrize("task", MUJOCO_TASKS)
def test_every_step_equals_the_plain_environments(task: str):
    fast = make_slots(task, tuples_of(task), seed=3, horizon=11, threads=2)
    with patched():
        plain = PlainSlots(task, tuples_of(task), seed=3, horizon=11)
        np.testing.assert_array_equal(fast.reset(), plain.reset())
        finished = 0
        for action in actions(25, fast):
            step = fast.step(action)
            observation, rewards, dones, terminal, infos = plain.step(action)
            np.testing.assert_array_equal(step.observation, observation)
            np.testing.assert_array_equal(step.reward, rewards)
            np.testing.assert_array_equal(step.done, dones)
            np.testing.assert_array_equal(step.terminal_observation, terminal)
            for episode in step.finished:
                info = infos[episode.slot]
                assert (episode.total_reward, episode.length) == (info["episode"]["r"], info["episode"]["l"])
                assert episode.context == info["context"]
                assert np.float32(episode.last_reward) == rewards[episode.slot]
            finished += len(step.finished)
    assert finished == 6


@pytest.mark.parametrize(
    "options", [{"legacy_capsule_mass": True}, {"reward_version": "legacy"}, {"vary_damping": True}]
)
def test_options_reach_the_slots(options: dict[str, Any]):
    task = "crippled_ant"
    fast, usual = (make_slots(task, tuples_of(task), 3, 9, **chosen) for chosen in (options, {}))
    with patched():
        plain = PlainSlots(task, tuples_of(task), 3, 9, **options)
        fast.reset(), usual.reset(), plain.reset()
        differs = False
        for action in actions(12, fast):
            step, (observation, rewards, *_) = fast.step(action), plain.step(action)
            np.testing.assert_array_equal(step.observation, observation)
            np.testing.assert_array_equal(step.reward, rewards)
            differs |= not np.array_equal(step.reward, usual.step(action).reward)
    assert differs


@pytest.mark.parametrize("task", ["ant", "crippled_walker", "slim_humanoid"])
def test_a_restored_object_continues_bit_for_bit(task: str):
    first = make_slots(task, tuples_of(task), seed=1, horizon=9)
    first.reset()
    for action in actions(13, first):
        first.step(action)
    state = json.loads(json.dumps(first.state_dict()))
    second = make_slots(task, tuples_of(task), seed=99, horizon=9, threads=2)
    second.load_state_dict(state)
    np.testing.assert_array_equal(first.observation(), second.observation())
    assert first.drawn == second.drawn
    for action in actions(20, first, seed=1):
        equal_steps(first.step(action), second.step(action))


def test_the_number_of_threads_changes_nothing():
    one, three = (make_slots("crippled_ant", tuples_of("crippled_ant"), 0, 7, threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.reset(), three.reset())
    for action in actions(20, one):
        equal_steps(one.step(action), three.step(action))


def test_slots_of_one_seed_differ_and_another_seed_gives_other_slots():
    same = (((1.0,), (1.0,)),) * 2
    slots, again, other = (make_slots("hopper", same, seed) for seed in (0, 0, 1))
    first = slots.reset()
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first, again.reset())
    assert not np.array_equal(first, other.reset())


def test_an_episode_can_be_asked_for_by_its_number():
    slots, later = (make_slots("hopper", tuples_of("hopper"), 0, 5) for _ in range(2))
    for _ in range(2):
        slots.reset()
    np.testing.assert_array_equal(slots.reset(), later.reset(episode=2))


def test_what_a_step_returns_is_the_callers_to_keep():
    slots = make_slots("hopper", tuples_of("hopper"), 0, 5)
    slots.reset()
    steps = [slots.step(action) for action in actions(8, slots)]
    slots.reset()
    again = make_slots("hopper", tuples_of("hopper"), 0, 5)
    again.reset()
    for kept, action in zip(steps, actions(8, slots), strict=True):
        equal_steps(kept, again.step(action))


def test_only_the_horizon_ends_an_episode_and_it_is_no_success():
    slots = make_slots("hopper", tuples_of("hopper"), 0, 5)
    slots.reset()
    steps = [slots.step(action) for action in actions(10, slots)]
    assert [step.done.tolist() for step in steps] == ([[False] * 3] * 4 + [[True] * 3]) * 2
    assert not any(step.terminated.any() or step.success.any() for step in steps)


def test_a_state_of_other_slots_is_refused():
    two, three = (make_slots("hopper", tuples_of("hopper")[:count], 0) for count in (2, 3))
    with pytest.raises(ValueError, match="the saved slots have shape"):
        three.load_state_dict(two.state_dict())
    with pytest.raises(ValueError, match=r"actions have shape \(3, 3\)"):
        three.step(np.zeros((2, 3)))
