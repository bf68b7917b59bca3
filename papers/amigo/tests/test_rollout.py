"""Actors: slots, goals, first frames and counters, on scripted play (card 4.3, 4.4, 5.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toys import Scripted, small

from amigo.envs import make_batch
from amigo.rollout import OF_GOALS, Actors
from amigo.unrolls import Unrolls

LEFT, RIGHT, FORWARD, STAY = 0, 1, 2, 6


def cell(x: int, y: int) -> int:
    """The goal that means a cell of Empty-5x5."""
    return x * 5 + y


WALL, HOME, AHEAD, TWO_AHEAD, FAR = cell(0, 0), cell(1, 1), cell(2, 1), cell(3, 1), cell(3, 3)
"""The agent starts at HOME and looks at AHEAD; FAR is the corner cell that ends the episode."""


def played(
    actions: list[int], goals: list[int], number: int = 0, actors: Actors | None = None, **changes: Any
) -> tuple[Unrolls, Scripted, Actors]:
    actors = actors or Actors("Empty-5x5", small(num_actors=1, unroll_length=len(actions), **changes), 0, 1)
    policy = Scripted(actions, goals, 25)
    return actors.collect(policy, number).clone(), policy, actors


def test_a_slot_holds_the_record_the_action_that_led_to_it_and_the_goal_of_that_step():
    unrolls, policy, _ = played([FORWARD, RIGHT, STAY], [FAR, FAR])
    assert unrolls.action[1:, 0].tolist() == [FORWARD, RIGHT, STAY]
    assert unrolls.goal[1:, 0].tolist() == [FAR] * 3
    assert [int(goal) for goal in policy.shown] == [FAR] * 3
    assert unrolls.frame[:, 0, 2, 1, 0].tolist() == [1, 10, 10, 10]


def test_a_goal_met_after_two_steps_ends_there_and_the_next_begins_on_that_frame():
    # AHEAD is met by stepping on it, the next goal by the next step.
    unrolls, policy, _ = played([RIGHT, LEFT, FORWARD, FORWARD, STAY], [FAR, AHEAD, TWO_AHEAD, FAR])
    assert unrolls.reached[:, 0].tolist() == [False, False, False, True, True, False]
    assert unrolls.goal[1:, 0].tolist() == [AHEAD, AHEAD, AHEAD, TWO_AHEAD, FAR]
    assert unrolls.goal_steps[1:, 0].tolist() == [1, 2, 3, 1, 1]
    assert torch.equal(unrolls.initial_frame[4, 0], unrolls.frame[3, 0])
    assert torch.equal(unrolls.initial_frame[3, 0], unrolls.frame[0, 0])
    assert torch.equal(policy.asked[2][0], unrolls.frame[3, 0])


def test_turning_in_place_meets_the_goal_on_the_agents_own_cell():
    unrolls, _, _ = played([RIGHT, STAY], [FAR, HOME, FAR])
    assert unrolls.reached[1:, 0].tolist() == [True, False]


def test_without_modify_a_goal_under_the_agent_is_met_at_once():
    unrolls, _, _ = played([STAY, STAY], [FAR, HOME, HOME], modify=False)
    assert unrolls.reached[1:, 0].tolist() == [True, True]


def test_two_unrolls_share_a_slot():
    first, _, actors = played([FORWARD, RIGHT, STAY], [FAR, FAR])
    second, _, _ = played([FORWARD, STAY, STAY], [], 1, actors)
    for name, value in first.tensors().items():
        if name != "memory":
            assert torch.equal(value[-1], second.tensors()[name][0]), name


def test_without_overlap_a_step_between_two_unrolls_is_in_neither():
    config = small(num_actors=1, unroll_length=2, overlap=False)
    actors = Actors("Empty-5x5", config, 0, 1)
    policy = Scripted([RIGHT] * 6, [FAR, FAR], 25)
    first = actors.collect(policy, 0).clone()
    second = actors.collect(policy, 1).clone()
    headings = [int(unrolls.frame[slot, 0, 1, 1, 2]) for unrolls in (first, second) for slot in range(3)]
    assert headings == [0, 1, 2, 3, 0, 1]


TO_THE_GOAL = [FORWARD, FORWARD, RIGHT, FORWARD, FORWARD]


def test_where_an_episode_ends_the_record_is_the_old_ones_and_the_frame_the_new_ones():
    unrolls, policy, _ = played([*TO_THE_GOAL, STAY], [WALL, WALL, WALL])
    assert unrolls.done[1:, 0].tolist() == [False] * 4 + [True, False]
    assert float(unrolls.reward[5, 0]) == pytest.approx(1 - 0.9 * 5 / 100)
    assert float(unrolls.episode_return[5, 0]) == pytest.approx(1 - 0.9 * 5 / 100)
    assert unrolls.episode_length[1:, 0].tolist() == [1, 2, 3, 4, 5, 1]
    assert unrolls.goal_steps[1:, 0].tolist() == [1, 2, 3, 4, 5, 1]
    assert torch.equal(unrolls.frame[5, 0], unrolls.frame[0, 0])
    assert len(policy.asked) == 3
    assert torch.equal(unrolls.initial_frame[6, 0], unrolls.frame[5, 0])


@pytest.mark.parametrize("aware", [True, False])
def test_at_the_boundary_a_goal_is_met_where_the_layouts_differ_unless_masked(aware: bool):
    # The second goal is given while the agent is away from its start: the new first frame differs there.
    unrolls, _, _ = played(TO_THE_GOAL, [FAR, AHEAD, HOME, WALL], no_boundary_awareness=not aware)
    assert unrolls.reached[1:, 0].tolist() == [True, False, False, False, aware]


def test_a_goal_met_where_an_episode_ends_is_followed_by_one_goal():
    unrolls, policy, _ = played([*TO_THE_GOAL, STAY], [FAR, AHEAD, HOME, TWO_AHEAD, FAR])
    assert unrolls.goal[-1, 0] == TWO_AHEAD
    assert len(policy.asked) == 4


def test_a_restart_shows_a_new_episode_and_leaves_the_record_alone():
    unrolls, _, _ = played([FORWARD, STAY, STAY], [FAR, AHEAD, FAR], restart_episode=True)
    assert unrolls.reached[1:, 0].tolist() == [True, False, False]
    assert unrolls.frame[:, 0, 1, 1, 0].tolist() == [10, 1, 10, 10]
    assert unrolls.done[1:, 0].tolist() == [False] * 3
    assert unrolls.episode_length[1:, 0].tolist() == [1, 1, 2]
    assert torch.equal(unrolls.initial_frame[2, 0], unrolls.frame[0, 0])


def first_visits(actions: list[int], **changes: Any) -> list[bool]:
    config = small("amigo_novelty", num_actors=1, unroll_length=len(actions), **changes)
    unrolls = Actors("Empty-5x5", config, 0, 1).collect(Scripted(actions, [], 25), 0)
    return [bool(first) for first in unrolls.first_visit[1:, 0]]


def test_a_frame_is_new_once_in_an_episode():
    assert first_visits([RIGHT, LEFT, RIGHT, RIGHT], first_frame_counts_in="new") == [True, False, False, True]


def test_the_first_frame_of_an_episode_is_counted_in_the_old_one_unless_mended():
    # Back to the first frame after one turn: as released it was counted in the table that was then emptied.
    assert first_visits([RIGHT, LEFT, LEFT], first_frame_counts_in="old") == [True, True, True]
    assert first_visits([RIGHT, LEFT, LEFT], first_frame_counts_in="new") == [True, False, True]


def test_a_restart_begins_the_count_of_frames_anew():
    config = small("amigo_novelty", fidelity="branch", num_actors=1, unroll_length=300, restart_episode=True)
    actors = Actors("Empty-5x5", config, 0, 1)
    policy = Scripted([RIGHT, LEFT, STAY] * 100, [HOME] * 302, 25)  # the agent's own cell, met at every turn
    unrolls = actors.collect(policy, 0)
    assert int(unrolls.reached.sum()) == 200
    assert not unrolls.done[1:].any()
    assert int((actors.seen != 0).sum()) <= 2


def test_first_visits_equal_counting_whole_frames():
    config = small("amigo_novelty", "KeyCorridorS3R1", num_actors=3, unroll_length=400)
    actors = Actors("KeyCorridorS3R1", config, 0, 3)
    stream = np.random.default_rng(0)
    unrolls = actors.collect(Scripted(stream.integers(0, 6, 400).tolist(), [], 0), 0)
    for actor in range(3):
        counts: dict[bytes, int] = {}
        for slot in range(1, 401):
            frame = unrolls.frame[slot, actor].numpy().tobytes()
            counts[frame] = counts.get(frame, 0) + 1
            assert bool(unrolls.first_visit[slot, actor]) == (counts[frame] == 1)
            if unrolls.done[slot, actor]:
                counts.clear()


@pytest.mark.parametrize("method", ["impala", "amigo_novelty"])
def test_without_a_teacher_nothing_of_goals_is_handed_on(method: str):
    unrolls = Actors("Empty-5x5", small(method), 0, 2).collect(Scripted([RIGHT] * 6, [], 25), 0).tensors()
    assert not any(unrolls[name].any() for name in OF_GOALS)
    assert unrolls["frame"][-1].any()


def test_with_a_fixed_seed_every_actor_has_the_one_layout_of_that_seed():
    def first_frames(**changes: Any) -> np.ndarray:
        config = small(task="KeyCorridorS3R3", **changes)
        return Actors("KeyCorridorS3R3", config, 0, 3).environments.frame

    fixed = first_frames(fix_seed=True, env_seed=4)
    assert (fixed == fixed[0]).all()
    assert np.array_equal(fixed[0], make_batch("KeyCorridorS3R3", 1, 9, fix_seed=True, env_seed=4).frame[0])
    assert not np.array_equal(fixed, first_frames(fix_seed=True, env_seed=5))
    assert not (first_frames() == first_frames()[0]).all()


def test_the_actors_state_continues_the_same_play():
    from amigo.agent import Agent

    config = small(task="KeyCorridorS3R1", unroll_length=30)
    agent = Agent("KeyCorridorS3R1", config, 0)
    whole, broken = (Actors("KeyCorridorS3R1", config, 0, 2) for _ in range(2))
    whole.collect(agent, 0)
    broken.load({name: value.clone() for name, value in whole.state().items()})
    expected, found = whole.collect(agent, 1).tensors(), broken.collect(agent, 1).tensors()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
