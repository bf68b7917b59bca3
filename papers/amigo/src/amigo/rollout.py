"""Actors: environments in lock-step, one forward pass for all of them, goals from the teacher (card 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from amigo.config import AmigoNoveltyConfig, ImpalaConfig, TeacherConfig
from amigo.envs import NUM_ACTIONS, make_batch
from amigo.kernels import first_visits
from amigo.objectives import goal_reached
from amigo.streams import categorical, derived_seed, uniform
from amigo.unrolls import Unrolls, empty


class Policy(Protocol):
    """What actors need of an agent; an unroll sees one policy."""

    def act(
        self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor, done: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(E, ...) -> logits (E, actions) and the LSTM's next state (2 * layers, E, hidden)."""

    def propose(self, frames: Tensor) -> Tensor:
        """(N, W, H, 3) -> the teacher's logits (N, W * H)."""


class Actors:
    """`count` environments with all that an actor knows of its own: goal, first frame, steps, LSTM state."""

    def __init__(self, task: str, config: ImpalaConfig, seed: int, count: int, purpose: str = "training") -> None:
        """Layouts are keyed by `purpose` and `seed`; so are the draws of actions and goals, and by a number."""
        self.config, self.seed, self.count, self.purpose = config, seed, count, purpose
        self.environments = make_batch(
            task, count, derived_seed(seed, 0, f"{purpose} layouts"), fix_seed=config.fix_seed, env_seed=config.env_seed
        )
        width, height = self.environments.width, self.environments.height
        self.size = width, height
        self.gives_goals = has_teacher(config)
        self.modify = isinstance(config, TeacherConfig) and config.modify
        layers = 2 * config.num_lstm_layers if config.use_lstm else 0
        self.memory = torch.zeros(layers, count, config.state_embedding_dim)
        self.goal = np.zeros(count, np.int64)
        self.teacher_logits = np.zeros((count, width * height), np.float32)
        self.initial_frame = self.environments.frame.copy()
        self.reached = np.zeros(count, np.bool_)
        self.goal_steps = np.zeros(count, np.int32)
        self.action = np.zeros(count, np.int64)
        self.policy_logits = np.zeros((count, NUM_ACTIONS), np.float32)
        self.first_visit = np.zeros(count, np.bool_)
        seen = 2 ** int(np.ceil(np.log2(2 * (self.environments.max_steps + 2))))
        self.counts_in_old = isinstance(config, AmigoNoveltyConfig) and config.first_frame_counts_in == "old"
        self.seen = np.zeros((count, seen if isinstance(config, AmigoNoveltyConfig) else 0), np.uint64)
        self.unrolls = empty(config.unroll_length, count, self.size, NUM_ACTIONS, (layers, config.state_embedding_dim))
        self.slots = {name: value.numpy() for name, value in self.unrolls.tensors().items() if name != "memory"}
        self.look()

    def collect(self, policy: Policy, number: int) -> Unrolls:
        """Unroll number `number` of every actor; the next call overwrites it.

        Slot 0 is the state in which the last unroll ended. Without `overlap` one more step follows the last slot, so
        that two unrolls share none.
        """
        steps = self.config.unroll_length + (not self.config.overlap)
        act, give = self.draws(number, steps)
        if number == 0:
            self.give_goals(policy, uniform(self.seed, 0, f"{self.purpose} first goals", self.count))
        self.unrolls.memory.copy_(self.memory)
        self.write(0)
        for step in range(steps):
            self.step(policy, act[step], give[step])
            if step < self.config.unroll_length:
                self.write(step + 1)
        return self.unrolls

    def draws(self, number: int, steps: int) -> tuple[Tensor, Tensor]:
        """What decides actions and goals: two (steps, E) of uniform numbers."""
        return (
            uniform(self.seed, number, f"{self.purpose} actions", steps, self.count),
            uniform(self.seed, number, f"{self.purpose} goals", steps, self.count),
        )

    def step(self, policy: Policy, act: Tensor, give: Tensor, greedy: bool = False) -> None:
        """Where a goal is met or an episode begins a new goal; then an action each; act and give (E,) decide."""
        self.give_goals(policy, give)
        self.act(policy, act, greedy)

    def act(self, policy: Policy, act: Tensor, greedy: bool = False, auto_reset: bool = True) -> None:
        """An action each, drawn or the most likely one, and what comes of it."""
        environments = self.environments
        logits, self.memory = policy.act(
            torch.from_numpy(environments.frame),
            (torch.from_numpy(environments.carried_object), torch.from_numpy(environments.carried_colour)),
            torch.from_numpy(self.goal),
            torch.from_numpy(environments.done),
            self.memory,
        )
        self.policy_logits = logits.numpy()
        self.action = (logits.argmax(-1) if greedy else categorical(logits, act)).numpy()
        environments.step(self.action, auto_reset=auto_reset)
        self.goal_steps += 1
        self.look()

    def look(self) -> None:
        """Whether goals are met and frames are new, on the record that the environments now show."""
        environments = self.environments
        if self.gives_goals:
            self.reached = goal_reached(environments.frame, self.initial_frame, self.goal, self.modify)
            assert isinstance(self.config, TeacherConfig)
            if self.config.no_boundary_awareness:
                self.reached &= ~environments.done
        if self.seen.size:
            frames = environments.frame.reshape(self.count, -1)
            first_visits(frames, environments.done, self.counts_in_old, self.seen, self.first_visit)

    def give_goals(self, policy: Policy, give: Tensor) -> None:
        """A new goal wherever the last one is met or an episode has begun (card 4.4, 5.3)."""
        if not self.gives_goals:
            return
        assert isinstance(self.config, TeacherConfig)
        needed = self.reached | self.environments.done
        if self.config.restart_episode and self.reached.any():
            restarted = self.reached & ~self.environments.done
            self.environments.restart(restarted)
            self.seen[restarted] = 0
        where = np.flatnonzero(needed)
        if not len(where):
            return
        frames = self.environments.frame[where]
        logits = policy.propose(torch.from_numpy(frames))
        self.initial_frame[where] = frames
        self.teacher_logits[where] = logits.numpy()
        self.goal[where] = categorical(logits, give[where]).numpy()
        self.goal_steps[where] = 0

    def write(self, slot: int) -> None:
        """Copy the present record into a slot."""
        slots, environments = self.slots, self.environments
        for name in ("frame", "carried_object", "carried_colour", "reward", "done", "episode_return", "episode_length"):
            slots[name][slot] = getattr(environments, name)
        for name in ("action", "policy_logits", "first_visit", *(OF_GOALS if self.gives_goals else ())):
            slots[name][slot] = getattr(self, name)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next unroll depends on besides the policy."""
        own = {name: torch.from_numpy(getattr(self, name).copy()) for name in OWN}
        seen = torch.from_numpy(self.seen.view(np.int64).copy())
        outside = {f"environments.{name}": torch.from_numpy(np.array(value).view(signed(np.array(value).dtype)))
                   for name, value in self.environments.state_dict().items()}  # fmt: skip
        return own | {"seen": seen, "memory": self.memory.clone()} | outside

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for name in OWN:
            setattr(self, name, state[name].numpy().copy())
        self.seen = state["seen"].numpy().view(np.uint64).copy()
        self.memory = state["memory"].clone()
        before = self.environments.state_dict()
        self.environments.load_state_dict(
            {name: state[f"environments.{name}"].numpy().view(np.array(before[name]).dtype) for name in before}
        )


OF_GOALS = ("goal", "teacher_logits", "initial_frame", "reached", "goal_steps")
OWN = (*OF_GOALS, "action", "policy_logits", "first_visit")
"""What an actor knows besides its environment."""


def signed(kind: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The type of the same width that a tensor can hold."""
    return np.dtype(kind.str.replace("u", "i")) if kind.kind == "u" and kind.itemsize > 1 else kind


def has_teacher(config: ImpalaConfig) -> bool:
    """Whether goals are given."""
    if isinstance(config, AmigoNoveltyConfig):
        return config.trains_teacher
    return isinstance(config, TeacherConfig)
