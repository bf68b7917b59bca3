"""Actors: environments in lock-step, one forward pass for all of them, goals from the teacher (card 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from amigo.config import AmigoNoveltyConfig, ImpalaConfig, TeacherConfig
from amigo.envs import NUM_ACTIONS, make_batch
from amigo.kernels import first_visits
from amigo.objectives import goal_reached
from amigo.streams import categorical, derived_seed, uniform
from amigo.unrolls import Unrolls, empty


class Shown(NamedTuple):
    """What actors see, (E, ...), in the environments' own memory: each step writes it anew."""

    frames: Tensor
    carried_object: Tensor
    carried_colour: Tensor
    goals: Tensor
    done: Tensor

    @property
    def carried(self) -> tuple[Tensor, Tensor]:
        """Object and colour."""
        return self.carried_object, self.carried_colour


class Decision(NamedTuple):
    """What actors do next, on the CPU."""

    logits: Tensor
    """(E, actions)."""
    actions: Tensor
    """(E,) int64."""
    memory: Tensor
    """The LSTM's next state (2 * layers, E, hidden), which stays on the policy's device."""
    goals: Tensor | None = None
    """(N,) int64: of those that needed one, in order; None where none did."""
    teacher_logits: Tensor | None = None
    """(N, W * H)."""


class Policy(Protocol):
    """What actors need of an agent; an unroll sees one policy."""

    def decide(
        self, shown: Shown, memory: Tensor, needed: np.ndarray, act: Tensor, give: Tensor, greedy: bool
    ) -> Callable[[], Decision]:
        """Goals where `needed` (E,) bool, then actions: one exchange with the policy's device for all of it.

        act and give (E,) are the uniform numbers that decide; `greedy` takes the most likely actions. The call that is
        returned waits for what was decided.
        """

    def act(
        self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor, done: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(E, ...) -> logits (E, actions) and the LSTM's next state (2 * layers, E, hidden)."""

    def propose(self, frames: Tensor) -> Tensor:
        """(N, W, H, 3) -> the teacher's logits (N, W * H)."""


def decide_in_turn(
    policy: Policy, shown: Shown, memory: Tensor, needed: np.ndarray, act: Tensor, give: Tensor, greedy: bool
) -> Decision:
    """What `Policy.decide` comes to, by a call for the goals, where any is needed, and one for the actions."""
    goals = teacher_logits = None
    where = np.flatnonzero(needed)
    if len(where):
        teacher_logits = policy.propose(shown.frames[where])
        goals = categorical(teacher_logits, give[where])
        all_goals = shown.goals.clone()
        all_goals[where] = goals
        shown = shown._replace(goals=all_goals)
    logits, memory = policy.act(shown.frames, shown.carried, shown.goals, shown.done, memory)
    actions = logits.argmax(-1) if greedy else categorical(logits, act)
    return Decision(logits, actions, memory, goals, teacher_logits)


class Actors:
    """`count` environments with all that an actor knows of its own: goal, first frame, steps, LSTM state."""

    def __init__(
        self,
        task: str,
        config: ImpalaConfig,
        seed: int,
        total: int,
        purpose: str = "training",
        part: range | None = None,
    ) -> None:
        """`part` of `total` actors, all unless given.

        Layouts are keyed by `purpose` and `seed`; so are the draws of actions and goals, and by a number. An actor's
        are the same whatever part it is in.
        """
        self.part = range(total) if part is None else part
        count = len(self.part)
        self.config, self.seed, self.total, self.count, self.purpose = config, seed, total, count, purpose
        self.environments = make_batch(
            task, count, derived_seed(seed, 0, f"{purpose} layouts"), first=self.part.start,
            fix_seed=config.fix_seed, env_seed=config.env_seed,
        )  # fmt: skip
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
        self.show()
        self.look()

    def show(self) -> None:
        """Tensors in the memory of what actors see."""
        seen = self.environments
        arrays = seen.frame, seen.carried_object, seen.carried_colour, self.goal, seen.done
        self.shown = Shown(*map(torch.from_numpy, arrays))

    def collect(self, policy: Policy, number: int) -> Unrolls:
        """Unroll number `number` of every actor; the next call overwrites it."""
        with torch.inference_mode():
            for _ in self.plays(policy, number):
                pass
        return self.unrolls

    def plays(self, policy: Policy, number: int) -> Iterator[None]:
        """The same, step by step: it comes back wherever the policy has been asked and not yet waited for.

        Slot 0 is the state in which the last unroll ended. Without `overlap` one more step follows the last slot, so
        that two unrolls share none.
        """
        steps = self.config.unroll_length + (not self.config.overlap)
        act, give = self.draws(number, steps)
        if number == 0:
            self.give_first_goals(policy)
        self.unrolls.memory.copy_(self.memory)
        self.write(0)
        for step in range(steps):
            needed = self.needing_goals()
            decided = policy.decide(self.shown, self.memory, needed, act[step], give[step], False)
            yield
            self.take(needed, decided())
            self.perform()
            if step < self.config.unroll_length:
                self.write(step + 1)

    def draws(self, number: int, steps: int) -> tuple[Tensor, Tensor]:
        """What decides actions and goals: two (steps, E) of uniform numbers."""
        return self.drawn(number, "actions", steps), self.drawn(number, "goals", steps)

    def drawn(self, number: int, what: str, *steps: int) -> Tensor:
        """(…, E) uniform numbers: this part's columns of those of all actors."""
        drawn = uniform(self.seed, number, f"{self.purpose} {what}", *steps, self.total)
        return drawn[..., self.part.start : self.part.stop]

    def step(self, policy: Policy, act: Tensor, give: Tensor, greedy: bool = False) -> None:
        """Where a goal is met or an episode begins a new goal; then an action each; act and give (E,) decide."""
        self.decide(policy, act, give, greedy)
        self.perform()

    def decide(self, policy: Policy, act: Tensor, give: Tensor, greedy: bool = False) -> None:
        """New goals where they are needed, and an action each, drawn or the most likely one."""
        needed = self.needing_goals()
        self.take(needed, policy.decide(self.shown, self.memory, needed, act, give, greedy)())

    def take(self, needed: np.ndarray, decision: Decision) -> None:
        """Note what was decided, goals where they were `needed` (E,) bool."""
        self.policy_logits, self.action = decision.logits.numpy(), decision.actions.numpy()
        self.memory = decision.memory
        if decision.goals is not None and decision.teacher_logits is not None:
            self.take_goals(np.flatnonzero(needed), decision.goals, decision.teacher_logits)

    def perform(self, auto_reset: bool = True) -> None:
        """Step the environments by what was decided, and see what comes of it."""
        self.environments.step(self.action, auto_reset=auto_reset)
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

    def needing_goals(self) -> np.ndarray:
        """(E,) bool: where the last goal is met or an episode has begun, or begins here (card 4.4, 5.3)."""
        if not self.gives_goals:
            return np.zeros(self.count, np.bool_)
        assert isinstance(self.config, TeacherConfig)
        if self.config.restart_episode and self.reached.any():
            restarted = self.reached & ~self.environments.done
            self.environments.restart(restarted)
            self.seen[restarted] = 0
        return self.reached | self.environments.done

    def give_first_goals(self, policy: Policy) -> None:
        """Those in force in slot 0 of the first unroll."""
        where = np.flatnonzero(self.needing_goals())
        if len(where):
            logits = policy.propose(self.shown.frames[where])
            give = self.drawn(0, "first goals")
            self.take_goals(where, categorical(logits, give[where]), logits)

    def take_goals(self, where: np.ndarray, goals: Tensor, logits: Tensor) -> None:
        """Note the goals (N,) of the environments `where`, which count their steps from here."""
        self.initial_frame[where] = self.environments.frame[where]
        self.teacher_logits[where] = logits.numpy()
        self.goal[where] = goals.numpy()
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
        return own | {"seen": seen, "memory": self.memory.cpu().clone()} | outside

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for name in OWN:
            setattr(self, name, state[name].numpy().copy())
        self.seen = state["seen"].numpy().view(np.uint64).copy()
        self.memory = state["memory"].clone()
        self.show()
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
