"""Every reward, return and loss of the paper, as pure functions (card 5.4-5.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from amigo.config import RewardClipping, TeacherReward
from amigo.envs.codes import AGENT
from amigo.kernels import vtrace_recursion

FIRST_THING = 3
"""Object indices from here on are things: door, key, ball, box, goal, lava, agent (card 5.8)."""


# Goals and rewards of the student.


def goal_reached(frames: np.ndarray, initial_frames: np.ndarray, goals: np.ndarray, modify: bool) -> np.ndarray:
    """Whether each goal is met on each frame: (E,) bool, from frames (E, W, H, 3) and goals (E,).

    `modify`: the goal's cell looks different from the frame on which the goal was given; otherwise the agent stands
    on it. Goal g is the cell x = g // H, y = g % H (card 4.4).
    """
    environments, height = np.arange(len(goals)), frames.shape[2]
    cells = frames[environments, goals // height, goals % height]
    if not modify:
        return np.asarray(cells[:, 0] == AGENT)
    return np.asarray((cells != initial_frames[environments, goals // height, goals % height]).any(-1))


def goal_reward(reached: Tensor, steps: Tensor, max_steps: int, coefficient: float) -> Tensor:
    """r^g = c reached (c reached - 0.9 steps / max_steps), any shape (card 5.4).

    `steps` are those since the goal was given, `max_steps` the environment's limit.
    """
    met = coefficient * reached.float()
    return met * (met - 0.9 * steps / max_steps)


def clip_reward(reward: Tensor, clipping: RewardClipping) -> Tensor:
    """To [-1, 1], or smoothly to (-1.5, 5) by 5 tanh(r / 5), 0.3 of it below 0, or not at all (card 10)."""
    if clipping == "abs_one":
        return reward.clamp(-1, 1)
    if clipping == "soft_asymmetric":
        squeezed = 5.0 * torch.tanh(reward / 5.0)
        return torch.where(reward < 0, 0.3 * squeezed, squeezed)
    return reward


def student_reward(
    extrinsic: Tensor, intrinsic: Tensor, clipping: RewardClipping, with_extrinsic: bool, success_bonus: bool
) -> Tensor:
    """clip(r^e + r^i) + 1[r^e > 0], any shape; without the extrinsic reward clip(r^i) + 1[r^e > 0] (card 5.4, 7.3)."""
    total = extrinsic + intrinsic if with_extrinsic else intrinsic
    return clip_reward(total, clipping) + (extrinsic > 0).float() * success_bonus


# Returns and losses of an actor-critic.


class VTrace(NamedTuple):
    """Targets of an update, without gradients."""

    values: Tensor
    """What the values ought to be."""
    advantages: Tensor


def vtrace(log_ratios: Tensor, discounts: Tensor, rewards: Tensor, values: Tensor, bootstrap: Tensor) -> VTrace:
    """V-trace with both clips at 1 and lambda = 1; all (T, B), bootstrap (B,).

    log_ratios = log pi(a) - log mu(a); discounts are 0 where an episode ended.
    Source: Espeholt et al. 2018, eq. 1 and section 4.2; card 5.4.
    """
    with torch.no_grad():
        ratios = log_ratios.exp().clamp(max=1)
        following = torch.cat([values[1:], bootstrap[None]])
        deltas = ratios * (rewards + discounts * following - values)
        corrections = discounted_sums(deltas, discounts * ratios)
        targets = values + corrections
        following = torch.cat([targets[1:], bootstrap[None]])
        return VTrace(targets, ratios * (rewards + discounts * following - values))


def discounted_sums(terms: Tensor, factors: Tensor) -> Tensor:
    """x[t] = terms[t] + factors[t] x[t + 1], from the end; (T, B)."""
    if terms.device.type == "cpu":
        sums = torch.empty_like(terms, memory_format=torch.contiguous_format)
        vtrace_recursion(terms.contiguous().numpy(), factors.contiguous().numpy(), sums.numpy())
        return sums
    return discounted_sums_by_doubling(terms, factors)


def discounted_sums_by_doubling(terms: Tensor, factors: Tensor) -> Tensor:
    """As `discounted_sums` in log2 T rounds: what a slot knows of the 2^k slots after it joins what those know."""
    reach = 1
    while reach < len(terms):
        sums, products = terms.clone(), factors.clone()
        sums[:-reach] += factors[:-reach] * terms[reach:]
        products[:-reach] *= factors[reach:]
        terms, factors, reach = sums, products, 2 * reach
    return terms


class Losses(NamedTuple):
    """Weighted terms, each summed over time and averaged over the batch."""

    policy: Tensor
    value: Tensor
    entropy: Tensor

    @property
    def total(self) -> Tensor:
        return self.policy + self.value + self.entropy


def actor_critic_losses(
    log_policy: Tensor, actions: Tensor, values: Tensor, targets: VTrace, baseline_cost: float, entropy_cost: float
) -> Losses:
    """Policy gradient, half the squared value error, negative entropy (card 5.4).

    log_policy (T, B, A), log-probabilities of all actions; actions, values (T, B).
    """
    chosen = log_policy.gather(-1, actions[..., None]).squeeze(-1)
    batch = actions.shape[1]
    policy = -(chosen * targets.advantages).sum() / batch
    value = baseline_cost * 0.5 * (targets.values - values).square().sum() / batch
    entropy = entropy_cost * (log_policy.exp() * log_policy).sum() / batch
    return Losses(policy, value, entropy)


def log_ratios(log_policy: Tensor, behaviour_logits: Tensor, actions: Tensor) -> Tensor:
    """log pi(a) - log mu(a), without gradient; log_policy (T, B, A) normalised, behaviour_logits (T, B, A) not."""
    behaviour = functional.log_softmax(behaviour_logits, -1)
    return (log_policy.detach() - behaviour).gather(-1, actions[..., None]).squeeze(-1)


# The teacher's reward.


@dataclass(frozen=True)
class TeacherRewardRule:
    """What the teacher is paid for (card 5.5, 5.8)."""

    form: TeacherReward
    penalty: float
    """Added to every sample; -beta."""
    coefficient: float
    """Of the gaussian form."""
    target: float
    """tau of the dummy, gaussian and linear forms, in steps."""
    spread: float
    """Standard deviation of the gaussian form, in steps."""


def teacher_raw_reward(rule: TeacherRewardRule, steps: Tensor, reached: Tensor, difficulty: int) -> Tensor:
    """Before clipping; steps since the goal was given and whether it was met, both (N,); `difficulty` is t*."""
    met, distance = reached.float(), steps.float() - rule.target
    if rule.form == "threshold":
        return rule.penalty + (steps >= difficulty).float() * met
    if rule.form == "dummy":
        return rule.penalty + (distance >= 0).float() * met
    if rule.form == "gaussian":
        return rule.coefficient * (2 - distance.square() / (2 * rule.spread**2)) * met - 1
    near = torch.where(distance <= 0, steps / rule.target, torch.exp(-distance / 20))
    return 2 * met * near - 1


def teacher_window_reward(
    penalty: float, steps: Tensor, reached: Tensor, difficulty: int, window: float, needs_reach: bool
) -> Tensor:
    """-beta + 1[t* - w <= steps <= t* + w], as released also for goals that were never met (card 5.6)."""
    inside = ((steps >= difficulty - window) & (steps <= difficulty + window)).float()
    return penalty + (inside * reached.float() if needs_reach else inside)


def shows_a_thing(initial_frames: Tensor, goals: Tensor) -> Tensor:
    """Whether the goal's cell held a thing when the goal was given: (N,) float (card 5.8)."""
    height = initial_frames.shape[2]
    objects = initial_frames[torch.arange(len(goals), device=goals.device), goals // height, goals % height, 0]
    return (objects >= FIRST_THING).float()


def teacher_reward(raw: Tensor, extrinsic: Tensor, with_extrinsic: bool) -> Tensor:
    """1 where the student also solved the task, else the raw reward clipped to [-1, 1]; (N,) (card 5.5)."""
    clipped = raw.clamp(-1, 1)
    return torch.where(extrinsic > 0, torch.ones_like(clipped), clipped) if with_extrinsic else clipped


# Novelty.


def novelty_bonus(novelty: Tensor, first_visit: Tensor, coefficient: float) -> Tensor:
    """coefficient max(n(s_i) - n(s_{i-1}), 0) where s_i is new in its episode; (T + 1, B) -> (T, B) (card 5.7)."""
    return coefficient * (novelty[1:] - novelty[:-1]).clamp(min=0) * first_visit[1:].float()
