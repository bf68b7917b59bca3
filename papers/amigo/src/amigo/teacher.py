"""The teacher as a learner: the pool of ended goals, its reward, and t* (card 5.5, 5.6, 5.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from amigo.config import AmigoAdaptiveConfig, AmigoConfig, TeacherConfig
from amigo.difficulty import Difficulty
from amigo.networks import GridSize, Teacher
from amigo.objectives import (
    TeacherRewardRule,
    VTrace,
    actor_critic_losses,
    log_ratios,
    shows_a_thing,
    teacher_raw_reward,
    teacher_reward,
    teacher_window_reward,
    vtrace,
)
from amigo.optimiser import RmsProp
from amigo.student import Metrics
from amigo.unrolls import Unrolls, moved_together

Samples = dict[str, Tensor]
"""Ended goals, each tensor (N, ...): frame, goal, steps, logits, extrinsic, reached."""


class Pool:
    """Ended goals that wait for the teacher, first come, first served; on the CPU, where their rewards are reckoned."""

    def __init__(self) -> None:
        self.chunks: list[Samples] = []
        self.size = 0

    def add(self, samples: Samples) -> None:
        if len(samples["goal"]):
            self.chunks.append(samples)
            self.size += len(samples["goal"])

    def take(self, count: int) -> Samples:
        """The first `count`, which must be there."""
        taken, found = [], 0
        while found < count:
            chunk = self.chunks.pop(0)
            room = count - found
            taken.append({name: value[:room] for name, value in chunk.items()})
            rest = {name: value[room:] for name, value in chunk.items()}
            found += len(taken[-1]["goal"])
            if len(rest["goal"]):
                self.chunks.insert(0, rest)
        self.size -= count
        return merge(taken)


def merge(parts: list[Samples]) -> Samples:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class TeacherLearner:
    """Network, optimiser, pool and t* of the teacher."""

    def __init__(self, size: GridSize, config: TeacherConfig, device: str, seed: torch.Generator) -> None:
        self.config, self.device = config, device
        self.network = Teacher(size, config.goal_layout == "aligned", seed).to(device)
        self.optimiser = RmsProp(self.network, config.alpha, config.momentum, config.epsilon, config.grad_norm)
        self.pool = Pool()
        self.updates = 0
        first = {"target": config.first_target} if isinstance(config, AmigoAdaptiveConfig) else {}
        self.difficulty = Difficulty(**first)
        self.prepare()

    def prepare(self) -> None:
        """The weights have changed: bring them into the form in which actors use them."""
        self.prepared = self.network.stack.prepare_to_act()

    def propose(self, frames: Tensor) -> Tensor:
        """See rollout.Policy."""
        with torch.inference_mode():
            logits: Tensor = self.network(frames, self.prepared).logits
            return logits

    def collect(self, batch: Unrolls) -> None:
        """Put the goals that ended in a learner batch into the pool (card 5.5)."""
        current = self.config.teacher_frame == "current" and self.pool.size > 0
        self.pool.add(ended_goals(batch, current, twice=self.config.done_and_reached == "twice"))

    def update(self, student_updates: int) -> Metrics | None:
        """One step on the first N ended goals; None while there are fewer. `student_updates` are those so far."""
        if self.pool.size < self.config.generator_batch_size:
            return None
        samples = self.pool.take(self.config.generator_batch_size)
        raw, extrinsic = self.raw_reward(samples), samples["extrinsic"]
        self.difficulty = self.next_difficulty(float(raw.mean()), float(extrinsic.mean()))
        if self.config.novelty:  # after t* has moved (card 10)
            raw = raw + self.config.novelty_bonus * shows_a_thing(samples["frame"], samples["goal"])
        reward = teacher_reward(raw, extrinsic, not self.config.no_extrinsic_rewards)
        learnt_from = [samples["frame"], samples["goal"], samples["logits"], reward]
        frames, goals, given, paid = moved_together(learnt_from, self.device) if self.device != "cpu" else learnt_from
        output = self.network(frames)
        log_policy = functional.log_softmax(output.logits, -1)[None]
        goals, values = goals[None], output.values[None]
        targets = one_step_targets(log_ratios(log_policy, given[None], goals), paid[None], values.detach())
        costs = self.config.baseline_cost, self.config.generator_entropy_cost
        losses = actor_critic_losses(log_policy, goals, values, targets, *costs)
        self.optimiser.step(losses.total, self.learning_rate(student_updates))
        self.updates += 1
        self.prepare()
        return {
            "loss/teacher_policy": losses.policy.detach(),
            "loss/teacher_value": losses.value.detach(),
            "loss/teacher_entropy": losses.entropy.detach(),
            "train/teacher_reward": float(reward.mean()),
            "train/goal_steps": float(samples["steps"].float().mean()),
            "train/goals_reached": float(samples["reached"].float().mean()),
            "train/teacher_extrinsic_reward": float(extrinsic.mean()),
        }

    def raw_reward(self, samples: Samples) -> Tensor:
        """(N,), before the bonus for things and before clipping."""
        config, steps, reached = self.config, samples["steps"], samples["reached"]
        if isinstance(config, AmigoAdaptiveConfig):
            return teacher_window_reward(
                config.generator_reward_negative, steps, reached, self.difficulty.target, config.window,
                config.window_reward == "reached",
            )  # fmt: skip
        assert isinstance(config, AmigoConfig)
        return teacher_raw_reward(rule_of(config), steps, reached, self.difficulty.target)

    def next_difficulty(self, mean_reward: float, mean_extrinsic: float) -> Difficulty:
        """t* after a batch of these means."""
        config = self.config
        if isinstance(config, AmigoAdaptiveConfig):
            return self.difficulty.adapting(
                mean_reward, mean_extrinsic, config.generator_threshold, config.generator_counts
            )
        assert isinstance(config, AmigoConfig)
        return self.difficulty.climbing(
            mean_reward, config.generator_threshold, config.generator_counts, config.generator_maximum
        )

    def learning_rate(self, student_updates: int) -> float:
        """Of the next update: falling linearly, by the teacher's own updates or by the student's (card 5.5).

        `student_updates` has the student's update on the same batch in it, `updates` not yet this one.
        """
        before = self.updates if self.config.teacher_schedule == "updates" else student_updates - 1
        updates = before + (self.config.student_schedule == "ahead")
        frames, total = updates * self.config.frames_per_update, self.config.total_env_steps
        return self.config.generator_learning_rate * (1 - min(frames, total) / total)

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "optimiser": self.optimiser.state(),
            "updates": self.updates,
            "difficulty": vars(self.difficulty),
            "pool": merge(self.pool.chunks) if self.pool.chunks else {},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.optimiser.load(state["optimiser"])
        self.updates, self.difficulty = state["updates"], Difficulty(**state["difficulty"])
        self.pool = Pool()
        if state["pool"]:
            self.pool.add({name: value.cpu() for name, value in state["pool"].items()})
        self.prepare()


def ended_goals(batch: Unrolls, current_frame: bool, twice: bool) -> Samples:
    """Goals that ended in slots 1 to T, time first: all slots where an episode ended, then all where the goal was met.

    A slot that is both enters twice, or with `twice` off as met alone.
    """
    done, reached = batch.done[1:], batch.reached[1:]
    failed = done if twice else done & ~reached
    where = torch.cat([failed.nonzero(), reached.nonzero()])
    times, columns = where[:, 0] + 1, where[:, 1]
    met = torch.zeros(len(where), dtype=torch.bool, device=where.device)
    met[int(failed.sum()) :] = True
    sources = {
        "frame": batch.frame if current_frame else batch.initial_frame,
        "goal": batch.goal,
        "steps": batch.goal_steps,
        "logits": batch.teacher_logits,
        "extrinsic": batch.reward,
    }
    return {name: source[times, columns] for name, source in sources.items()} | {"reached": met}


def one_step_targets(ratios: Tensor, reward: Tensor, values: Tensor) -> VTrace:
    """V-trace of single decisions, that is with discount 0; all (1, N) (card 5.5)."""
    return vtrace(ratios, torch.zeros_like(reward), reward, values, torch.zeros_like(reward[0]))


def rule_of(config: AmigoConfig) -> TeacherRewardRule:
    """What the teacher of a config is paid for."""
    return TeacherRewardRule(
        config.generator_loss_form, config.generator_reward_negative, config.generator_reward_coef,
        config.generator_target, config.target_variance,
    )  # fmt: skip
