"""A method on a device, ready to act and to learn, for whoever compares, counts or times it (mirl.probe)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from amigo.agent import Agent
from amigo.config import TeacherConfig, configure
from amigo.rollout import Actors
from mirl.probe import Probe

GOALS = 8
"""Ended goals that are enough for a teacher's update here, so that each update has one."""
SMALL: dict[str, Any] = {"num_actors": 4, "batch_size": 4, "unroll_length": 30}


def probe(task: str, method: str, device: str, small: bool) -> Probe:
    """The paper's sizes, or small ones; the batch is one of untrained actors on the CPU."""
    config = configure(task, method, "paper")
    if small:
        config = replace(config, **SMALL)
    if isinstance(config, TeacherConfig):
        config = replace(config, generator_batch_size=GOALS)
    first, actors = Agent(task, config, 0), Actors(task, config, 0, config.num_actors)
    for number in range(1 + actors.environments.max_steps // config.unroll_length):  # so that all episodes have ended
        played = actors.collect(first, number)
    batch = played.select(0, config.batch_size).clone()
    agent, actors = Agent(task, config, 0, device), Actors(task, config, 0, config.num_actors)
    rounds = iter(range(10**9))

    def act() -> int:
        actors.collect(agent, next(rounds))
        return config.num_actors * config.unroll_length

    def update() -> Mapping[str, Any]:
        return {name: value for name, value in agent.update(batch).items() if name.startswith("loss/")}

    def learnt() -> dict[str, Tensor]:
        parts = {"student": agent.student, "teacher": agent.teacher, "novelty": agent.novelty}
        return {name: part.optimiser.gradient for name, part in parts.items() if part is not None}

    return Probe(act, config.unroll_length + (not config.overlap), update, learnt)
