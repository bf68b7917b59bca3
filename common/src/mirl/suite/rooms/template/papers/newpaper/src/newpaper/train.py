"""Training: where data comes from, what is learnt from it, what is written down."""

from __future__ import annotations

import time

from mirl.arithmetic import set_up_torch
from mirl.run import Run
from newpaper.agent import Agent
from newpaper.config import ReinforceConfig
from newpaper.evaluate import metrics_of, run_test
from newpaper.rollout import collect
from newpaper.state import TrainState

SAVE_EVERY = 20_000
"""Environment steps between checkpoints unless --save-every says otherwise."""


def train(run: Run, config: ReinforceConfig) -> None:
    """Train until `config.total_env_steps`, then test; everything that must survive a kill is in `state`."""
    set_up_torch(config.threads)
    task = run.header.task
    agent = Agent(task, config, run.seed, run.device)
    should_evaluate = run.clock("evaluate", config.evaluation_every)
    run.save_clock.every = run.save_clock.every or SAVE_EVERY
    state = run.restore(TrainState(agent))

    while state.env_step < config.total_env_steps:
        start = time.perf_counter()
        episodes = collect(agent.policy, task, config.episodes_per_update, run.seed, state.updates)
        losses = agent.update(episodes)
        state.env_step += episodes.env_steps
        state.updates += 1
        finished = state.env_step >= config.total_env_steps
        run.log(state.env_step, episodes.statistics() | losses | {"time/update_s": time.perf_counter() - start})
        if config.evaluation_every and should_evaluate(state.env_step) and not finished:
            run.log(state.env_step, metrics_of(run_test(agent, task)))
        if finished or run.should_save(state.env_step):
            run.save(state)

    played = run_test(agent, task)
    run.log(state.env_step, metrics_of(played))
    run.log_episodes(state.env_step, "sampled", played.returns(), played.lengths(), played.survived())
