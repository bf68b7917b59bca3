"""Training: where data comes from, what is learnt from it, what is written down."""

from __future__ import annotations

import time
from contextlib import closing

from amigo.agent import Agent
from amigo.config import ImpalaConfig
from amigo.evaluate import Test, metrics_of, play
from amigo.files import Log
from amigo.groups import Groups
from amigo.rollout import has_teacher
from amigo.state import TrainState
from amigo.statistics import ended_episodes, rows_of_updates
from amigo.unrolls import Unrolls
from amigo.weights import write_weights
from mirl.arithmetic import set_up_torch
from mirl.run import Run

SAVE_EVERY = 2_000_000
"""Frames between checkpoints unless --save-every says otherwise; a round takes a fraction of a second."""


def train(run: Run, config: ImpalaConfig) -> None:
    """Train until `config.total_env_steps`, then test; everything that must survive a kill is in `state`."""
    set_up_torch(config.threads)
    task = run.header.task
    agent, actors = Agent(task, config, run.seed, run.device), Groups(task, config, run.seed)
    should_log, should_evaluate = run.clock("log", config.log_every), run.clock("evaluate", config.evaluation_every)
    run.save_clock.every = run.save_clock.every or SAVE_EVERY
    state = run.restore(TrainState(agent, actors))
    seconds = Stopwatch()

    with closing(Log(run.directory, has_teacher(config), state.log_length)) as log:
        while state.env_step < config.total_env_steps:
            with seconds.of("time/act_s"):
                unrolls = actors.collect(agent, state.rounds)
            with seconds.of("time/learn_s"):
                learn(state, unrolls, log)
            state.rounds += 1
            state.env_step += config.num_actors * (config.unroll_length + (not config.overlap))
            finished = state.env_step >= config.total_env_steps
            if should_log(state.env_step) or finished:
                run.log(state.env_step, state.means.take() | seconds.take())
            if config.evaluation_every and should_evaluate(state.env_step) and not finished:
                run.log(
                    state.env_step, metrics_of(play(agent, task, config, Test(-(-config.evaluation_episodes // 4))))
                )
            if finished or run.should_save(state.env_step):
                log.flush()
                state.log_length = log.length
                write_weights(run.directory, run.header, config, agent, finished)
                run.save(state)

    episodes = play(agent, task, config, Test(config.evaluation_episodes))
    run.log(state.env_step, metrics_of(episodes))
    run.log_episodes(state.env_step, "sampled", *zip(*episodes, strict=True))


def learn(state: TrainState, unrolls: Unrolls, log: Log) -> None:
    """Update on every whole batch of a round, and note what updates and episodes tell."""
    for episode in ended_episodes(unrolls):
        state.means.add(episode)
    frames, updates = [], []
    for batch in state.batches(unrolls):
        frames.append(state.agent.student.updates * state.agent.config.frames_per_update)
        ended = batch.done[1:]
        mean_return = float(batch.episode_return[1:][ended].mean()) if ended.any() else 0.0
        updates.append(state.agent.update(batch) | {"train/batch_return": mean_return})
    for before, row in zip(frames, rows_of_updates(updates), strict=True):
        log.append(before, row)
        state.means.add({name: value for name, value in row.items() if name != "train/batch_return"})


class Stopwatch:
    """Seconds spent on named things since they were last told."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def of(self, name: str) -> Timed:
        return Timed(self.seconds, name)

    def take(self) -> dict[str, float]:
        told = dict(self.seconds)
        self.seconds.clear()
        return told


class Timed:
    """Adds the duration of a block to `seconds[name]`."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.start
