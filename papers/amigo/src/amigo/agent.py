"""What acts and learns: a student, and what its method adds, a teacher or novelty or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amigo.config import AmigoNoveltyConfig, ImpalaConfig, TeacherConfig
from amigo.envs import find_task
from amigo.networks import GridSize
from amigo.novelty import NoveltyLearner
from amigo.objectives import goal_reward
from amigo.rollout import Decision, Shown, decide_in_turn, has_teacher
from amigo.streams import categorical, generator
from amigo.student import Metrics, StudentLearner
from amigo.teacher import TeacherLearner
from amigo.unrolls import Unrolls, fetched_together, moved_together


class Agent:
    """The learners of a method; as a rollout.Policy it acts and proposes goals."""

    def __init__(self, task: str, config: ImpalaConfig, seed: int, device: str = "cpu") -> None:
        """Initial weights are keyed by `seed`. Actors and learner share them from the start (ledger 13)."""
        grid = find_task(task)
        self.size, self.max_steps = GridSize(grid.width, grid.height), grid.max_steps
        self.config, self.device = config, device
        first = [generator(seed, 0, f"{name} weights") for name in ("student", "teacher", "novelty")]
        self.student = StudentLearner(self.size, config, has_teacher(config), device, first[0])
        self.teacher = self.novelty = None
        if has_teacher(config):
            assert isinstance(config, TeacherConfig)
            self.teacher = TeacherLearner(self.size, config, device, first[1])
        if isinstance(config, AmigoNoveltyConfig):
            self.novelty = NoveltyLearner(self.size, config, device, first[2])

    def act(
        self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor, done: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See rollout.Policy; tensors on the agent's device."""
        return self.student.act(frames, carried, goals, done, memory)

    def decide(
        self, shown: Shown, memory: Tensor, needed: np.ndarray, act: Tensor, give: Tensor, greedy: bool
    ) -> Callable[[], Decision]:
        """See rollout.Policy."""
        if self.device == "cpu":
            decision = decide_in_turn(self, shown, memory, needed, act, give, greedy)
            return lambda: decision
        return self.decide_at_once(shown, memory, torch.from_numpy(needed), act, give, greedy)

    def decide_at_once(
        self, shown: Shown, memory: Tensor, needed: Tensor, act: Tensor, give: Tensor, greedy: bool
    ) -> Callable[[], Decision]:
        """The same on a GPU, which is waited for once: the teacher looks at all grids, and what it says of most is
        forgotten."""
        *inputs, asked, act, give = moved_together([*shown, needed, act, give], self.device)
        seen, goals, teacher_logits = Shown(*inputs), inputs[3], inputs[3][:, None].float()
        if self.teacher is not None:
            teacher_logits = self.teacher.propose(seen.frames)
            goals = torch.where(asked, categorical(teacher_logits, give), goals)
        logits, memory = self.act(seen.frames, seen.carried, goals, seen.done, memory.to(self.device))
        actions = logits.argmax(-1) if greedy else categorical(logits, act)
        fetch = fetched_together([actions, goals, logits, teacher_logits])

        def decided() -> Decision:
            actions, goals, logits, teacher_logits = fetch()
            if self.teacher is None or not needed.any():
                return Decision(logits, actions, memory)
            return Decision(logits, actions, memory, goals[needed], teacher_logits[needed])

        return decided

    def propose(self, frames: Tensor) -> Tensor:
        """See rollout.Policy."""
        assert self.teacher is not None
        return self.teacher.propose(frames.to(self.device)).cpu()

    def update(self, unrolls: Unrolls) -> Metrics:
        """One update of everything that learns, on B columns; what `train/` and `loss/` tell of it."""
        batch = unrolls.to(self.device) if self.device != "cpu" else unrolls
        metrics, intrinsic = self.intrinsic_reward(batch)
        metrics |= self.student.update(batch, intrinsic)
        metrics["loss/total"] = metrics["loss/student"] + metrics.get("loss/novelty", 0.0)
        if self.teacher is not None:
            self.teacher.collect(unrolls)
            metrics |= self.teacher.update(self.student.updates) or {}
            metrics |= {
                "train/difficulty": self.teacher.difficulty.target,
                "train/pool": self.teacher.pool.size,
                "train/teacher_updates": self.teacher.updates,
            }
        return metrics

    def intrinsic_reward(self, batch: Unrolls) -> tuple[Metrics, Tensor]:
        """(T, B): novelty, or what a goal pays, or nothing."""
        if self.novelty is not None:
            bonus, loss = self.novelty.update(batch)
            return {"loss/novelty": loss}, bonus
        if self.teacher is None:
            return {}, torch.zeros_like(batch.reward[1:])
        coefficient = self.teacher.config.intrinsic_reward_coef
        return {}, goal_reward(batch.reached[1:], batch.goal_steps[1:], self.max_steps, coefficient)

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on: tensors, numbers and dictionaries."""
        state: dict[str, Any] = {"student": self.student.optimiser.state(), "student_updates": self.student.updates}
        if self.teacher is not None:
            state["teacher"] = self.teacher.state()
        if self.novelty is not None:
            state["novelty"] = self.novelty.state()
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.student.optimiser.load(state["student"])
        self.student.updates = state["student_updates"]
        self.student.prepare()
        if self.teacher is not None:
            self.teacher.load(state["teacher"])
        if self.novelty is not None:
            self.novelty.load(state["novelty"])
