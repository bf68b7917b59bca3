"""Actors in groups: what is played and saved is one group's, and the CPU steps one while another is decided for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from toys import small

from amigo.agent import Agent
from amigo.groups import Groups
from amigo.rollout import Decision, Shown

TASK = "KeyCorridorS3R1"
ROUNDED = ("policy_logits", "teacher_logits", "memory")
"""What a pass of fewer rows may round otherwise; all else is drawn, counted or played."""


def agent_and_groups(groups: int, method: str = "amigo", **changes: Any) -> tuple[Agent, Groups]:
    config = small(method, TASK, num_actors=4, unroll_length=150, actor_groups=groups, **changes)
    return Agent(TASK, config, 0), Groups(TASK, config, 0)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if name in ROUNDED:
            torch.testing.assert_close(other[name], value, rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(other[name], value), name


@pytest.mark.parametrize(
    ("method", "changes", "groups"),
    [("amigo", {}, 2), ("amigo", {"use_lstm": True}, 4), ("amigo_adaptive", {"overlap": False}, 2),
     ("amigo_novelty", {}, 4), ("impala", {"use_lstm": True}, 2)],
)  # fmt: skip
def test_an_actor_plays_the_same_whatever_group_it_is_in(method: str, changes: dict[str, Any], groups: int):
    agent, whole = agent_and_groups(1, method, **changes)
    _, parts = agent_and_groups(groups, method, **changes)
    for number in range(3):  # episodes end at 270 steps
        same(whole.collect(agent, number).tensors(), parts.collect(agent, number).tensors())
        same(whole.state(), parts.state())


class Restarting(Agent):
    """Begins a new episode wherever a goal is met; its goals are met at the next turn of the agent."""

    def propose(self, frames: Tensor) -> Tensor:
        cells = (frames[..., 0] == 10).flatten(1)
        return torch.where(cells, 0.0, -1e4)


def test_episodes_that_begin_anew_are_the_same_whatever_the_group():
    unrolls = []
    for groups in (1, 2):
        agent, actors = agent_and_groups(groups, restart_episode=True)
        unrolls.append(actors.collect(Restarting(TASK, agent.config, 0), 0).tensors())
    same(*unrolls)
    assert int(unrolls[0]["reached"].sum()) > 20


def test_groups_continue_from_a_checkpoint_of_one_group_and_the_other_way():
    agent, whole = agent_and_groups(1, use_lstm=True)
    parts = agent_and_groups(2, use_lstm=True)[1]
    whole.collect(agent, 0)
    for here, there in ((whole, parts), (parts, whole)):
        there.load({name: value.clone() for name, value in here.state().items()})
        same(here.collect(agent, 1).tensors(), there.collect(agent, 1).tensors())


class Awaited:
    """A policy that writes down which group asks it and which waits for it."""

    def __init__(self, agent: Agent, groups: Groups) -> None:
        self.agent, self.told = agent, list[tuple[str, int]]()
        self.group = {group.shown.frames.data_ptr(): number for number, group in enumerate(groups.groups)}
        for number, group in enumerate(groups.groups):
            group.perform = self.telling(number, group.perform)  # type: ignore[method-assign]

    def telling(self, number: int, perform: Callable[[], None]) -> Callable[[], None]:
        def told() -> None:
            self.told.append(("steps", number))
            perform()

        return told

    def decide(self, shown: Shown, memory: Tensor, needed: np.ndarray, *others: Any) -> Callable[[], Decision]:
        number, decided = self.group[shown.frames.data_ptr()], self.agent.decide(shown, memory, needed, *others)
        self.told.append(("asks", number))

        def wait() -> Decision:
            self.told.append(("waits", number))
            return decided()

        return wait

    def propose(self, frames: Tensor) -> Tensor:
        return self.agent.propose(frames)

    def act(self, *what: Any) -> tuple[Tensor, Tensor]:
        return self.agent.act(*what)


def test_while_a_group_waits_and_steps_the_others_have_asked():
    agent, groups = agent_and_groups(2)
    policy = Awaited(agent, groups)
    groups.collect(policy, 0)
    first, second = ([(what, number) for what in ("waits", "steps", "asks")] for number in (0, 1))
    between = [*first, *second] * (agent.config.unroll_length - 1)
    assert policy.told == [("asks", 0), ("asks", 1), *between, *first[:2], *second[:2]]
