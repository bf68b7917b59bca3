"""A method on a device, ready to act and to learn, for whoever compares, counts or times it (mirl.probe)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mime.bench import tasks_within_reach
from mime.config import MamlConfig, MamlExplConfig, configure
from mime.envs import batch_of
from mime.evaluate import agent_for, environment_for, horizon_for
from mime.pearl import config as pearl_config
from mime.pearl import evaluate as pearl_evaluate
from mime.pearl.replay import Replay
from mime.pearl.rollout import Sampler, make_world
from mime.pearl.train import update as pearl_update
from mime.rollout import sample
from mime.streams import Streams
from mirl.probe import Probe, copied, gradients_of

SMALL: dict[str, Any] = {"fast_batch_size": 3, "meta_batch_size": 2}
SMALL_PEARL: dict[str, Any] = {"meta_batch": 2, "batch_size": 16, "embedding_batch_size": 16, "net_size": 32}
FILLED = 1000
"""Transitions of each training task that PEARL's batches are drawn from."""


def probe(task: str, method: str, device: str, small: bool) -> Probe:
    """The paper's sizes, or small ones, with all that a method adds switched on."""
    if method == "pearl":
        return pearl_probe(task, device, small)
    config = replace(configure(task, method, "faithful"), **(SMALL if small else {}))
    return gradient_based_probe(task, config, device)


def gradient_based_probe(task: str, config: MamlConfig, device: str) -> Probe:
    """One phase of all tasks is played; the batch is that of an untrained agent on the CPU."""
    iteration = config.pre_epochs + 1 if isinstance(config, MamlExplConfig) else 1
    environment = environment_for(task, 0, config).unwrapped
    goals = tasks_within_reach(environment, config.meta_batch_size)
    episodes, horizon = config.fast_batch_size, horizon_for(task)
    first, agent = agent_for(task, config, 0, "cpu"), agent_for(task, config, 0, device)
    on_cpu = batch_of(environment, goals, episodes, horizon, "cpu", 0)
    exploring = first.explores(iteration)
    batch = moved(
        first.collect(on_cpu, len(goals), episodes, Streams(0, iteration), config.num_steps, exploring), device
    )
    batched, draw = batch_of(environment, goals, episodes, horizon, device, 0), Streams(0, iteration, device)
    start = copied(agent.state())
    objective = agent.objective(batch)

    def act() -> int:
        noise = draw.normal("act", len(goals), horizon, episodes, agent.action_size)
        sample(batched, agent.layout, agent.policy.expand(len(goals), -1), noise)
        return len(goals) * horizon * episodes

    def update() -> Mapping[str, Any]:
        agent.load(start)
        told = agent.update(batch, draw)
        # What the trust region makes of it is left out: conjugate gradients turn the last digit into percents.
        return {name: value for name, value in told.items() if "dynamics" in name} | {"loss/before": objective.old_loss}

    def learnt() -> dict[str, Tensor]:
        moves = {name: value - start[name] for name, value in agent.state().items() if name.startswith("dynamics")}
        with torch.no_grad():
            return {"policy's gradient": objective.gradient()} | moves

    return Probe(act, horizon, update, learnt)


def moved(value: Any, device: str) -> Any:
    """Dataclasses and lists of tensors, on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [moved(one, device) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: moved(getattr(value, field.name), device) for field in fields(value)})
    return value


def pearl_probe(task: str, device: str, small: bool) -> Probe:
    """An episode of some training tasks is played; batches are drawn from made-up transitions."""
    config = replace(pearl_config.configure(task, "faithful"), **(SMALL_PEARL if small else {}))
    world = make_world(task, config, 0)
    agent, draw = pearl_evaluate.agent_for(world, 0, device), Streams(0, 0, device, "pearl ")
    start = copied(agent.state())
    filled = Replay(config.n_train_tasks, agent.columns.width, device)
    source = torch.Generator().manual_seed(0)
    for number in range(config.n_train_tasks):
        filled.add(number, "begins", torch.rand(FILLED, agent.columns.width, generator=source).to(device))

    def act() -> int:
        sampler, tasks = Sampler(world, agent, draw), world.training[: config.num_tasks_sample]
        return sampler.play(tasks, sampler.noise(len(tasks), 1, "probe"), "probe").episodes.env_steps

    def update() -> Mapping[str, Any]:
        agent.load(copied(start))
        return pearl_update(agent, filled, draw, 1)

    return Probe(act, config.max_path_length, update, lambda: gradients_of(agent.networks))
