"""How fast PEARL is: collecting, one gradient step, and so an iteration; beside the plain twin of its losses."""

from __future__ import annotations

import time
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch

from mime.pearl.config import configure
from mime.pearl.evaluate import agent_for
from mime.pearl.replay import Replay
from mime.pearl.rollout import Sampler, collect, collect_first, make_world
from mime.pearl.train import update
from mime.streams import Streams
from mirl.measure import measure

PLAIN_ROWS = 32
"""Transitions and context transitions per task where the plain twin is timed, on two tasks."""


def bench(task: str, plain: ModuleType | None) -> list[dict[str, Any]]:
    """Rows as `mime.bench.bench`'s; `plain` is the package of plain twins, where it is at hand."""
    config = configure(task, "faithful")
    world = make_world(task, config, seed=0)
    agent, draw = agent_for(world, 0, "cpu"), Streams(0, 0)
    replay = Replay(config.n_train_tasks, agent.columns.width)
    collect_first(Sampler(world, agent, draw), replay)
    start = time.perf_counter()
    collect(Sampler(world, agent, draw), replay)
    collecting = time.perf_counter() - start
    step = measure(lambda: update(agent, replay, draw, 1))
    iteration = collecting + config.num_train_steps_per_itr * step
    rows: list[dict[str, Any]] = [
        {"name": "PEARL collecting an iteration's data", "value": collecting, "unit": "s"},
        {"name": "PEARL gradient step", "value": step, "unit": "s"},
        {"name": f"PEARL iteration, {config.num_train_steps_per_itr:,} gradient steps (computed)", "value": iteration,
         "unit": "s"},
    ]  # fmt: skip
    if plain is None:
        return rows
    small = replace(config, meta_batch=2, batch_size=PLAIN_ROWS, embedding_batch_size=PLAIN_ROWS)
    agent.config = small
    quick = measure(lambda: update(agent, replay, draw, 1), least_s=0.2)
    batch = replay.sample([0, 1], PLAIN_ROWS, torch.Generator().manual_seed(0))
    noise = torch.randn(2, small.latent_size), torch.randn(2, PLAIN_ROWS, agent.action_size)
    start = time.perf_counter()
    for loss in plain.pearl.losses(agent, batch, batch, noise).values():
        loss.backward(retain_graph=True)
    ratio = (time.perf_counter() - start) / quick
    rows.append({"name": f"PEARL gradient step, 2 tasks x {PLAIN_ROWS} transitions", "value": quick, "unit": "s",
                 "ratio_to_plain": ratio})  # fmt: skip
    return rows
