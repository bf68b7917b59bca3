"""How fast it is: environments, acting, learning and both together, beside plain twins where the tests are at hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from amigo.agent import Agent
from amigo.config import AmigoConfig, configure
from amigo.envs import NUM_ACTIONS
from amigo.envs.bench import environment_speed
from amigo.groups import Groups
from amigo.rollout import Actors, Decision
from amigo.state import TrainState
from amigo.unrolls import Unrolls
from mirl.arithmetic import set_up_torch
from mirl.measure import calibrate, measure, peak_memory_mib, plain_twins

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]
ACTORS, MANY = 40, 160
FLOP_PER_FRAME = {"acting": 2, "learning": 6}
"""Per multiplication of the student's forward pass: forward when acting, forward and backward when learning."""


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same size, ratio_to_plain."""
    config = replace(configure(task, "amigo", "paper"), num_actors=ACTORS)
    assert isinstance(config, AmigoConfig)
    set_up_torch(config.threads)
    case = Case(task, config)
    environments = environment_speed(task, num_envs=ACTORS)
    acting, learning = measure(case.act), measure(case.learn)
    both = measure(case.act_and_learn)
    frames = config.num_actors * config.unroll_length
    flop_per_s = calibrate()["matrix_product_gflop_per_s"] * 1e9
    floor = multiplications(case.agent) * sum(FLOP_PER_FRAME.values()) / flop_per_s
    batched, oracle = environments["batched_steps_per_s"], environments["oracle_steps_per_s"]
    return [
        {"name": "environments alone", "value": batched, "unit": "env_steps/s", "ratio_to_plain": batched / oracle},
        {"name": f"acting, {ACTORS} actors", "value": frames / acting, "unit": "env_steps/s"},
        {"name": "learning", "value": frames / learning, "unit": "env_steps/s"},
        {"name": "learning", "value": frames / config.frames_per_update / learning, "unit": "updates/s"},
        {"name": "end to end", "value": frames / both, "unit": "env_steps/s"},
        {"name": "arithmetic alone at the matrix product's speed", "value": 1 / floor, "unit": "env_steps/s"},
        *turns(case.agent, task),
        *beside_plain(case),
        {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"},
    ]  # fmt: skip


class Case:
    """An agent with its actors, ready to run rounds."""

    def __init__(self, task: str, config: AmigoConfig) -> None:
        self.agent, self.actors = Agent(task, config, 0), Actors(task, config, 0, config.num_actors)
        self.state, self.number = TrainState(self.agent, self.actors), 0
        self.unrolls: Unrolls = self.actors.collect(self.agent, 0)

    def act(self) -> None:
        """One unroll of every actor."""
        self.number += 1
        self.unrolls = self.actors.collect(self.agent, self.number)

    def learn(self) -> None:
        """The updates of one round, teacher's included."""
        for batch in self.state.batches(self.unrolls):
            self.agent.update(batch)

    def act_and_learn(self) -> None:
        self.act()
        self.learn()


def turns(agent: Agent, task: str) -> list[Row]:
    """CPU time of a turn of all actors: in one group and in two, and what of it is not the policy's."""

    def rounds(actors: int, groups: int, decided: bool) -> Callable[[], Any]:
        players = Groups(task, replace(agent.config, num_actors=actors, actor_groups=groups), 0)
        players.collect(agent, 0)
        decision = Decision(
            torch.zeros(actors, NUM_ACTIONS), torch.arange(actors) % NUM_ACTIONS, players.groups[0].memory
        )
        policy: Any = SimpleNamespace(decide=lambda *_: lambda: decision) if decided else agent
        numbers = count(1)
        return lambda: players.collect(policy, next(numbers))

    measured = {
        f"a turn of {ACTORS} actors": rounds(ACTORS, 1, False),
        f"a turn of {ACTORS} actors in 2 groups": rounds(ACTORS, 2, False),
        f"a turn of {ACTORS} actors but for what decides": rounds(ACTORS, 1, True),
        f"a turn of {MANY} actors but for what decides": rounds(MANY, 1, True),
    }
    steps = agent.config.unroll_length
    return [
        {"name": name, "value": seconds * 1e6 / steps, "unit": "CPU µs"}
        for name, seconds in zip(measured, least_cpu_s(*measured.values()), strict=True)
    ]


def multiplications(agent: Agent) -> int:
    """Of one state's way through the student, taps outside the grid left out."""
    stack, products = agent.student.network.stack, 0
    for neighbours, (weight, _) in zip(stack.neighbours, stack.convolution_parameters, strict=True):
        products += int((neighbours >= 0).sum()) * weight.shape[0] * weight.shape[1]
    layers = [module for module in agent.student.network.modules() if isinstance(module, torch.nn.Linear)]
    return products + sum(layer.weight.numel() for layer in layers)


def beside_plain(case: Case) -> list[Row]:
    """Fast and plain, one after the other; none where the tests are not at hand."""
    plain = plain_twins(PROJECT, "update")
    if plain is None:
        return []
    config = case.agent.config
    batch = case.unrolls.select(0, config.batch_size).clone()
    stack, frames, goals = case.agent.student.network.stack, batch.frame.flatten(0, 1), batch.goal.flatten()
    slow_agent = Agent(case.actors.environments.task.name, config, 0)
    twin: Any = plain.update.Learner(slow_agent)

    def through(features: torch.Tensor) -> None:
        features.sum().backward()  # type: ignore[no-untyped-call]

    shown, memory, student = case.actors.shown, case.actors.memory, case.agent.student
    weights = student.network.stack.prepare_to_act()

    def pass_of_network() -> None:
        with torch.inference_mode():
            carried = shown.carried_object[None], shown.carried_colour[None]
            state = shown.goals[None], shown.done[None]
            student.network(shown.frames[None], carried, *state, None, weights)

    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            f"student's pass, {ACTORS} states",
            lambda: case.agent.act(shown.frames, shown.carried, shown.goals, shown.done, memory),
            pass_of_network,
        ),
        (
            f"convolutions, forward and backward, {len(frames)} states",
            lambda: through(stack(frames, goals)),
            lambda: through(stack.plain(frames, goals)),
        ),
        (
            f"student and teacher update, {len(frames)} states",
            lambda: case.agent.update(batch),
            lambda: twin.update(batch),
        ),
    ]
    rows = []
    for name, fast, slow in pairs:
        quick, plainly = least_cpu_s(fast, slow)
        rows.append({"name": name, "value": quick, "unit": "CPU s", "ratio_to_plain": plainly / quick})
    return rows


def least_cpu_s(*functions: Callable[[], Any]) -> list[float]:
    """CPU seconds of each, the least of nine, in turn, so that whatever else the machine does meets all alike."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(10):
        for function, its in zip(functions, seconds, strict=True):
            start = time.process_time()
            function()
            its.append(time.process_time() - start)
    return [min(its[1:]) for its in seconds]
