"""How fast it is: acting, updating, both together, beside the plain twins where the repository's tests are at hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gym
import numpy as np
import torch
from torch import Tensor

from mime.agent import MamlAgent, make_agent
from mime.config import (
    MamlConfig,
    MamlExplConfig,
    MimeConfig,
    configure,
    env_steps_per_iteration,
    paper_settings,
)
from mime.dynamics import transitions
from mime.envs import (
    BatchedEnvironment,
    DogNavigation2D,
    MetaEnvironment,
    Navigation2D,
    Task,
    WholeEpisodes,
    batch_of,
    dynamics_size_of,
)
from mime.envs.dog import START
from mime.evaluate import environment_for, horizon_for
from mime.exploration import intrinsic_rewards
from mime.pearl import bench as pearl_bench
from mime.pearl.config import SETTINGS_FILES as PEARL_TASKS
from mime.rollout import sample
from mime.streams import Streams
from mime.surrogate import MetaBatch
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.measure import measure, peak_memory_mib, plain_twins

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]
PLAIN_EPISODES = 4
"""Episodes per task where a plain twin is timed; the fast one gets the same."""
ROUNDS = 3
SMALLER: dict[str, dict[str, Any]] = {"ml10": {"meta_batch_size": 2, "fast_batch_size": 2}}
"""Task -> sizes that end in a minute; all figures are for these."""


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same size, ratio_to_plain."""
    config = replace(configure(task, "mime", "faithful"), **SMALLER.get(task, {}))
    assert isinstance(config, MimeConfig)
    set_up_torch(config.threads)
    keep_freed_memory()
    maml = Case(task, "maml", replace(configure(task, "maml", "faithful"), **SMALLER.get(task, {})))
    mime = Case(task, "mime", config)
    steps = env_steps_per_iteration(config, paper_settings(task)["env-name"])
    acting = measure(lambda: maml.act())
    updating = maml.seconds_per_update()
    maml_iteration = maml.seconds_per_iteration(first=0)
    mime_rows = [
        ("MIME iteration 0 (dynamics model from scratch)", mime.seconds_per_iteration(first=0, rounds=1)),
        ("MIME iteration before its intrinsic reward", mime.seconds_per_iteration(first=1)),
        ("MIME iteration with intrinsic reward", mime.seconds_per_iteration(first=config.pre_epochs + 1)),
    ]
    rows: list[Row] = [
        environment_alone(maml, environment_for(task, 0, maml.config)),
        {"name": "acting", "value": steps / 2 / acting, "unit": "env_steps/s"},
        {"name": "MAML updates", "value": 1 / updating, "unit": "updates/s"},
        {"name": "MAML end to end", "value": steps / maml_iteration, "unit": "env_steps/s"},
        {"name": "MIME end to end", "value": steps / mime_rows[-1][1], "unit": "env_steps/s"},
        {"name": f"MAML iteration of {steps:,} env steps", "value": maml_iteration, "unit": "s"},
        *({"name": name, "value": seconds, "unit": "s"} for name, seconds in mime_rows),
        *other_methods(task),
        *beside_plain(task),
        *(pearl_bench.bench(task, plain_twins(PROJECT)) if task in PEARL_TASKS else []),
        {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"},
    ]
    return rows


def other_methods(task: str) -> list[Row]:
    """Iteration times of the methods between MAML and MIME, with everything on that they have."""
    rows: list[Row] = []
    for method, name in (("maml_noise", "MAML+noise"), ("maml_expl", "MAML+expl"), ("e_maml", "E-MAML")):
        config = replace(configure(task, method, "faithful"), **SMALLER.get(task, {}))
        first = config.pre_epochs + 1 if isinstance(config, MamlExplConfig) else 0
        seconds = Case(task, method, config).seconds_per_iteration(first)
        rows.append({"name": f"{name} iteration", "value": seconds, "unit": "s"})
    return rows


class Case:
    """An agent with its environment, ready to run iterations."""

    def __init__(self, task: str, method: str, config: MamlConfig) -> None:
        self.config = config
        environment = environment_for(task, 0, config).unwrapped
        sizes = environment.observation_space.shape[0], environment.action_space.shape[0]
        self.agent: MamlAgent = make_agent(config, *sizes, seed=0, dynamics_size=dynamics_size_of(environment))
        self.tasks = tasks_within_reach(environment, config.meta_batch_size)
        self.environment: BatchedEnvironment = batch_of(
            environment, self.tasks, config.fast_batch_size, horizon_for(task)
        )

    def act(self) -> None:
        """Sample one phase of all tasks."""
        tasks, episodes = len(self.tasks), self.config.fast_batch_size
        noise = Streams(0, 0).normal("act", tasks, self.environment.horizon, episodes, self.agent.action_size)
        sample(self.environment, self.agent.layout, self.agent.policy.expand(tasks, -1), noise)

    def collect(self, iteration: int) -> tuple[MetaBatch, Streams]:
        """The data of one iteration."""
        draw, config = Streams(0, iteration), self.config
        exploring = self.agent.explores(iteration)
        tasks, episodes = len(self.tasks), config.fast_batch_size
        return self.agent.collect(self.environment, tasks, episodes, draw, config.num_steps, exploring), draw

    def seconds_per_update(self) -> float:
        """Of the agent's update alone, always on the same data."""
        batch, draw = self.collect(1)
        return measure(lambda: self.agent.update(batch, draw))

    def seconds_per_iteration(self, first: int, rounds: int = ROUNDS) -> float:
        """Median over `rounds` iterations that are numbered as if they were the `first`."""
        seconds: list[float] = []
        for _ in range(rounds):
            start = time.perf_counter()
            self.agent.update(*self.collect(first))
            seconds.append(time.perf_counter() - start)
        return sorted(seconds)[rounds // 2]


def tasks_within_reach(environment: MetaEnvironment, number: int) -> list[Task]:
    """Training tasks, with the goals of navigation brought near, so that every task has something to learn and no
    work is left out."""
    tasks = environment.sample_tasks(number)
    if isinstance(environment, Navigation2D):
        return [{"goal": 0.2 * task["goal"]} for task in tasks]
    if isinstance(environment, DogNavigation2D):
        return [{"goal": np.array(START) + 0.3} for _ in tasks]
    return tasks


def beside_plain(task: str) -> list[Row]:
    """Fast and plain, one after the other, on a reduced batch; none where the tests are not at hand."""
    plain = plain_twins(PROJECT)
    if plain is None:
        return []
    config = configure(task, "mime", "faithful")
    assert isinstance(config, MimeConfig)
    case = Case(task, "mime", replace(config, fast_batch_size=PLAIN_EPISODES, meta_batch_size=2, pre_epochs=0))
    batch, draw = case.collect(1)
    agent: Any = case.agent
    episodes = batch.valid.episodes
    inputs, targets = transitions(episodes, agent.dynamics_size)
    dynamics = agent.dynamics.expand(len(inputs), -1)
    noise = agent.noise(draw, "bench", *inputs.shape[:3], agent.model.samples)
    size = f"{episodes.env_steps:,} env steps"
    environment = environment_for(task, 0, config)
    start = agent.policy.expand(len(case.tasks), -1)
    play = draw.normal("bench", *episodes.actions.shape)
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            "acting",
            lambda: sample(case.environment, agent.layout, start, play),
            lambda: plain.rollout.sample(environment, case.tasks, agent.layout, start, play),
        ),
        (
            "MAML gradient and one Hessian product",
            lambda: [agent.objective(batch).gradient(), agent.objective(batch).kl_hessian_product(agent.policy, 1e-5)],
            lambda: plain.maml.gradient_and_product(
                agent.layout, agent.policy, batch, config.fast_lr, agent.policy, 1e-5
            ),
        ),
        (
            "intrinsic rewards",
            lambda: intrinsic_rewards(agent.model, dynamics, inputs, targets, noise, config.dyn_lr),
            lambda: plain.exploration.intrinsic_rewards(agent.model, dynamics, inputs, targets, noise, config.dyn_lr),
        ),
    ]
    rows = []
    for name, fast, slow in pairs:
        quick, start_slow = measure(fast, least_s=0.2), time.perf_counter()
        slow()
        ratio = (time.perf_counter() - start_slow) / quick
        rows.append({"name": f"{name}, {size}", "value": quick, "unit": "s", "ratio_to_plain": ratio})
    return rows


def environment_alone(case: Case, environment: gym.Env) -> Row:
    """Env steps per second without a policy, all tasks and episodes at once; over the gym one, an episode per task."""
    tasks, horizon, episodes = len(case.tasks), case.environment.horizon, case.config.fast_batch_size
    actions = Streams(0, 0).normal("bench", tasks, horizon, episodes, case.agent.action_size)
    rate = actions[..., 0].numel() / measure(lambda: stepped(case.environment, actions))
    start = time.perf_counter()
    stepped_plainly(environment, case.tasks, actions[:, :, :1])
    plain_rate = tasks * horizon / (time.perf_counter() - start)
    return {"name": "environment alone", "value": rate, "unit": "env_steps/s", "ratio_to_plain": rate / plain_rate}


def stepped(environment: BatchedEnvironment, actions: Tensor) -> None:
    """Play given actions, (tasks, time, episodes, size); Meta-World's episodes are played under a policy of zeros."""
    if isinstance(environment, WholeEpisodes):
        size = environment.environment.observation_space.shape[0]
        weight = torch.zeros(len(actions), actions.shape[-1], size)
        environment.play([(weight, weight[..., 0])], actions)
        return
    environment.reset()
    for action in actions.unbind(1):
        environment.step(action)


def stepped_plainly(environment: gym.Env, tasks: Sequence[Task], actions: Tensor) -> None:
    """The same on the gym environment, one episode after another."""
    for task, played in zip(tasks, actions.numpy(), strict=True):
        environment.unwrapped.reset_task(task)
        for episode in range(played.shape[1]):
            environment.reset()
            for action in played[:, episode]:
                environment.step(action)
