"""Objectives: the card's numbers, and V-trace against its definition (card 9.3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain import objectives as plain
from torch import Tensor

from amigo import objectives
from amigo.config import TeacherReward
from amigo.objectives import TeacherRewardRule, actor_critic_losses, log_ratios, vtrace
from amigo.teacher import one_step_targets


def close(found: Tensor, expected: object, tolerance: float = 2e-6) -> None:
    torch.testing.assert_close(found.detach(), torch.tensor(expected, dtype=torch.float32), rtol=0, atol=tolerance)


def cards_example() -> tuple[Tensor, ...]:
    """Behaviour and target logits (3, 2, 7), actions, rewards, values, discounts, bootstrap."""
    t, b, a = torch.meshgrid(torch.arange(3), torch.arange(2), torch.arange(7), indexing="ij")
    behaviour, target = 0.1 * a * (t + 1), 0.2 * ((a * (b + 1) + t) % 3)
    discounts = torch.full((3, 2), 0.99)
    discounts[1, 0] = 0.0
    return (
        behaviour,
        target,
        torch.tensor([[0, 6], [3, 2], [5, 1]]),
        torch.tensor([[0, 0.5], [1, 0], [2, -0.3]]),
        torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        discounts,
        torch.tensor([0.7, 0.8]),
    )


def test_the_students_losses_are_the_cards():
    behaviour, target, actions, rewards, values, discounts, bootstrap = cards_example()
    log_policy = torch.log_softmax(target, -1)
    ratios = log_ratios(log_policy, behaviour, actions)
    close(ratios, [[0.134451, -0.465549], [0.067305, 0.467305], [-0.468506, 0.731494]])
    targets = vtrace(ratios, discounts, rewards, values, bootstrap)
    close(targets.values, [[0.99, 0.691064], [1, 0.487080], [1.872679, 0.492]])
    close(targets.advantages, [[0.89, 0.491063], [0.7, 0.087080], [1.372679, -0.108]])
    losses = actor_critic_losses(log_policy, actions, values, targets, 0.5, 0.0005)
    close(losses.policy, 3.490512)
    close(losses.value, 0.428342)
    close(losses.entropy, -0.00289946)
    close(losses.total, 3.915955)


def test_the_teachers_losses_are_the_cards():
    steps, reached = torch.tensor([2, 7, 30, 8, 6]), torch.tensor([True, True, True, False, True])
    extrinsic = torch.tensor([0, 0, 0, 0, 0.9])
    rule = TeacherRewardRule("threshold", -0.3, 1.0, 5.0, 15.0)
    raw = objectives.teacher_raw_reward(rule, steps, reached, 7)
    close(raw, [-0.3, 0.7, 0.7, -0.3, -0.3])
    close(raw.mean(), 0.1)
    reward = objectives.teacher_reward(raw, extrinsic, with_extrinsic=True)
    close(reward, [-0.3, 0.7, 0.7, -0.3, 1.0])
    close(objectives.teacher_reward(raw, extrinsic, with_extrinsic=False), [-0.3, 0.7, 0.7, -0.3, -0.3])
    logits = torch.zeros(1, 5, 49)
    logits[..., 0] = 1
    goals, values = torch.tensor([[0, 1, 2, 0, 48]]), torch.tensor([[0.1, 0.1, 0.2, 0.0, 0.0]])
    log_policy = torch.log_softmax(logits, -1)
    targets = one_step_targets(log_ratios(log_policy, torch.zeros_like(logits), goals), reward[None], values)
    close(targets.values[0], [-0.3, 0.679673, 0.683060, -0.3, 0.966121])
    close(targets.advantages[0], [-0.4, 0.579673, 0.483060, -0.3, 0.966121])
    losses = actor_critic_losses(log_policy, goals, values, targets, 0.5, 0.05)
    close(losses.policy, 1.183492)
    close(losses.value, 0.0876379)
    close(losses.entropy, -0.1936345)


def test_the_windows_reward_pays_for_goals_that_were_never_met_unless_they_must_be():
    steps, reached = torch.tensor([2, 7, 30, 8, 6]), torch.tensor([True, True, True, False, True])
    close(objectives.teacher_window_reward(-0.3, steps, reached, 7, 50, needs_reach=False), [0.7] * 5)
    close(objectives.teacher_window_reward(-0.3, steps, reached, 7, 50, needs_reach=True), [0.7, 0.7, 0.7, -0.3, 0.7])
    assert objectives.teacher_window_reward(-0.3, torch.tensor([58]), reached[:1], 7, 50, False) == pytest.approx(-0.3)


def test_the_students_reward_for_a_goal_is_the_cards():
    met = objectives.goal_reward(torch.tensor([True, True, False]), torch.tensor([27, 270, 9]), 270, 1.0)
    close(met, [0.91, 0.1, 0.0])
    close(objectives.goal_reward(torch.tensor([True]), torch.tensor([27]), 270, 0.5), [0.5 * (0.5 - 0.09)])
    extrinsic = torch.tensor([0.9, 0.0])
    intrinsic = torch.tensor([0.91, 0.91])
    close(objectives.student_reward(extrinsic, intrinsic, "abs_one", True, True), [2.0, 0.91])
    close(objectives.student_reward(extrinsic, intrinsic, "none", True, True), [2.81, 0.91])


def test_without_the_extrinsic_reward_the_success_bonus_stays_unless_it_is_mended():
    extrinsic, intrinsic = torch.tensor([0.9]), torch.tensor([0.5])
    close(objectives.student_reward(extrinsic, intrinsic, "abs_one", False, True), [1.5])
    close(objectives.student_reward(extrinsic, intrinsic, "abs_one", False, False), [0.5])


def test_asymmetric_clipping_makes_losses_small_and_keeps_gains_below_five():
    clipped = objectives.clip_reward(torch.tensor([-100.0, -1.0, 0.0, 0.1, 1.0, 100.0]), "soft_asymmetric")
    close(clipped, [-1.5, -1.5 * np.tanh(0.2), 0.0, 5 * np.tanh(0.02), 0.986877, 5.0], 1e-6)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("dummy", [-0.3, 0.7, 0.7, -0.3]),
        ("gaussian", [2 - 9 / 450 - 1, 2 - 1, 2 - 400 / 450 - 1, -1]),
        ("linear", [2 * 2 / 5 - 1, 1, 2 * np.exp(-1) - 1, -1]),
    ],
)
def test_every_other_form_of_the_teachers_reward_is_the_cards_formula(form: TeacherReward, expected: list[float]):
    steps, reached = torch.tensor([2, 5, 25, 5]), torch.tensor([True, True, True, False])
    rule = TeacherRewardRule(form, -0.3, 1.0, 5.0, 15.0)
    close(objectives.teacher_raw_reward(rule, steps, reached, 7), [float(value) for value in expected], 1e-6)


def test_a_goal_shows_a_thing_where_its_cell_held_one():
    frames = torch.ones(3, 4, 5, 3, dtype=torch.uint8)
    frames[0, 2, 3, 0], frames[1, 2, 3, 0] = 5, 2
    close(objectives.shows_a_thing(frames, torch.tensor([13, 13, 13])), [1.0, 0.0, 0.0])


def test_the_novelty_bonus_is_the_cards():
    novelty = torch.tensor([[8.56233], [7.71625], [8.8326]])
    first = torch.ones(3, 1, dtype=torch.bool)
    close(objectives.novelty_bonus(novelty, first, 0.1), [[0.0], [0.111635]])
    first[2] = False
    close(objectives.novelty_bonus(novelty, first, 0.1), [[0.0], [0.0]])
    wide = torch.tensor([[7.62495], [6.36215], [7.1209]])
    close(objectives.novelty_bonus(wide, first | True, 0.1), [[0.0], [0.075875]])


@pytest.mark.parametrize("seed", range(3))
def test_vtrace_equals_its_sequential_definition(seed: int):
    generator = torch.Generator().manual_seed(seed)
    ratios, rewards, values = (torch.randn(20, 6, generator=generator) for _ in range(3))
    discounts = 0.99 * (torch.rand(20, 6, generator=generator) > 0.1)
    bootstrap = torch.randn(6, generator=generator)
    fast, slow = (function(ratios, discounts, rewards, values, bootstrap) for function in (vtrace, plain.vtrace))
    torch.testing.assert_close(fast.values, slow[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fast.advantages, slow[1], rtol=1e-5, atol=1e-5)


def test_a_cell_that_changed_in_any_channel_is_a_goal_reached():
    before = np.ones((4, 3, 4, 3), np.uint8)
    after, goals = before.copy(), np.array([6, 6, 6, 6])  # x = 1, y = 2
    for channel in range(3):
        after[channel, 1, 2, channel] = 7
    assert objectives.goal_reached(after, before, goals, modify=True).tolist() == [True, True, True, False]


def test_without_modify_the_agent_must_stand_on_the_goal():
    before = np.ones((2, 3, 4, 3), np.uint8)
    after = before.copy()
    after[0, 1, 2, 0], after[1, 1, 2, 0] = 10, 5
    assert objectives.goal_reached(after, before, np.array([6, 6]), modify=False).tolist() == [True, False]


@pytest.mark.parametrize("steps", [1, 2, 7, 64, 100])
def test_discounted_sums_by_doubling_are_those_of_the_loop(steps: int):
    seed = torch.Generator().manual_seed(steps)
    terms, factors = torch.randn(steps, 3, generator=seed), torch.rand(steps, 3, generator=seed)
    expected = objectives.discounted_sums(terms, factors)
    torch.testing.assert_close(objectives.discounted_sums_by_doubling(terms, factors), expected, rtol=1e-5, atol=1e-5)
