"""PEARL's training: collect data of some tasks, then many gradient steps on all (card 5.9)."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from mime.pearl.agent import PearlAgent
from mime.pearl.config import PearlConfig
from mime.pearl.evaluate import agent_for, episode_rows, metrics_of, play_test
from mime.pearl.replay import Replay
from mime.pearl.rollout import Sampler, World, collect, collect_first, make_world
from mime.pearl.state import PearlState
from mime.rollout import Episodes
from mime.streams import Streams
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.run import Run
from mirl.sending import sent


def train(run: Run, config: PearlConfig) -> None:
    """Train until `config.total_env_steps`, then test; a stop may come between any two gradient steps."""
    set_up_torch(config.threads)
    keep_freed_memory()
    world = make_world(run.header.task, config, run.seed)
    agent = agent_for(world, run.seed, run.device)
    replay = Replay(config.n_train_tasks, agent.columns.width, run.device)
    state = run.restore(PearlState(run.directory, agent, replay))
    seconds: dict[str, float] = {}

    while state.env_step < config.total_env_steps or state.updates_left:
        draw = Streams(run.seed, state.iteration, run.device, "pearl ")
        start = time.perf_counter()
        if not state.updates_left:
            state.env_step += collect_data(run, state, Sampler(world, agent, draw))
            state.updates_left = config.num_train_steps_per_itr
            seconds["time/collect_s"] = time.perf_counter() - start
        start, losses = time.perf_counter(), dict[str, Tensor]()
        while state.updates_left and not run.stop_requested:
            losses = update(agent, replay, draw, state.updates_left)
            state.updates_left -= 1
        seconds["time/update_s"] = time.perf_counter() - start
        if not state.updates_left:
            state.iteration += 1
            run.log(state.env_step, {**losses, **seconds})
            if state.env_step < config.total_env_steps:
                run.log(state.env_step, metrics_of(play_test(world, agent, config)))
        if run.should_save(state.env_step):
            run.save(state)

    run.save(state)
    finish(run, world, agent, config)


def collect_data(run: Run, state: PearlState, sampler: Sampler) -> int:
    """Fill the replay and tell of it; returns environment steps."""
    before = collect_first(sampler, state.replay) if state.iteration == 0 else []
    phases = collect(sampler, state.replay)
    env_steps = sum(episodes.env_steps for episodes in [*before, *phases["prior"], *phases["posterior"]])
    run.log(state.env_step + env_steps, statistics(phases["prior"], "train/"))
    if phases["posterior"]:
        run.log(state.env_step + env_steps, statistics(phases["posterior"], "train/adapted_"))
    return env_steps


def statistics(phase: list[Episodes], prefix: str) -> dict[str, float]:
    """Means over the episodes of a phase."""
    each = [episodes.statistics() for episodes in phase]
    weights = [episodes.returns().numel() for episodes in phase]
    return {prefix + name: float(np.average([one[name] for one in each], weights=weights)) for name in each[0]}


def update(agent: PearlAgent, replay: Replay, draw: Streams, left: int) -> dict[str, Tensor]:
    """One gradient step on a batch of training tasks; `left` tells it from the iteration's others."""
    config = agent.config
    source = torch.Generator().manual_seed(draw.seed_for(f"update {left}"))
    tasks = torch.randint(config.n_train_tasks, (config.meta_batch,), generator=source).tolist()
    context = replay.sample_context(tasks, config.embedding_batch_size, source)
    batch = replay.sample(tasks, config.batch_size, source)
    of_latent = torch.randn(len(tasks), config.latent_size, generator=source)
    of_actions = torch.randn(len(tasks), config.batch_size, agent.action_size, generator=source)
    return agent.update(batch, context, (sent(of_latent, agent.device), sent(of_actions, agent.device)))


def finish(run: Run, world: World, agent: PearlAgent, config: PearlConfig) -> None:
    """The test at the end, with its episodes."""
    phases = play_test(world, agent, config)
    run.log(run.env_step, metrics_of(phases))
    run.log_episodes(run.env_step, "adapted", *episode_rows(phases[-1]))
    run.log_episodes(run.env_step, "unadapted", *episode_rows(phases[0]))
