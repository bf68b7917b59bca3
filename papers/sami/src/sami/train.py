"""Training: where data comes from, what is learnt from it, what is written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mirl.arithmetic import set_up_torch
from mirl.checkpoint import read_checkpoint
from mirl.film import Film
from mirl.run import Run
from sami.agent import Agent
from sami.assembly import make_agent, make_buffer, make_world
from sami.config import TesacConfig, training_tuples
from sami.envs.episodes import Episode
from sami.evaluate import film_settings, settings_to_test
from sami.files import write_test_files, write_training_files
from sami.protocol import metrics_of, run_tests
from sami.rollout import Player
from sami.state import TrainState, load_agent


def train(run: Run, config: TesacConfig) -> None:
    """Train until `config.total_env_steps`, then test; everything that must survive a kill is in `state`."""
    set_up_torch(config.threads)
    slots = make_world(run.header.task, config, training_tuples(run.header.task, config), run.seed)
    agent = make_agent(run.header.task, config, run.seed, run.device)
    buffer = make_buffer(slots, config, run.seed, run.device)
    state = run.restore(TrainState(agent, Player(slots, agent, run.seed), buffer))
    if config.initial_run and not state.env_step:
        read_checkpoint(Path(config.initial_run), partial(load_agent, agent))
    checkpoint_due = run.clock("checkpoint", config.checkpoint_every)
    write_training_files(run.directory, run.header, config)

    while state.env_step < config.total_env_steps:
        seconds: dict[str, float] = {}
        played_steps = state.env_step // slots.n_slots
        with stopwatch(seconds, "time/collect_s"):
            random_steps = max(0, min(config.train_freq, config.learning_starts - played_steps))
            episodes = state.player.collect(buffer, config.train_freq, random_steps, state.turn)
        state.env_step += config.train_freq * slots.n_slots
        state.turn += 1
        losses: dict[str, float] = {}
        if state.env_step > config.learning_starts * slots.n_slots and buffer.ready:
            with stopwatch(seconds, "time/update_s"):
                losses = agent.update(buffer)
        run.log(state.env_step, statistics_of(episodes) | losses | seconds)
        finished = state.env_step >= config.total_env_steps
        due = checkpoint_due(state.env_step) and run.should_save(state.env_step)
        if due or finished or run.stop_requested:
            run.save(state)

    slots.close()
    run_final_tests(run, config, agent, state)


def run_final_tests(run: Run, config: TesacConfig, agent: Agent, state: TrainState) -> None:
    """Training, moderate and extreme settings, into the run's records and files (card 6).

    A stop loses them: a continued run tests anew.
    """

    def stop_if_asked() -> None:
        if run.stop_requested:
            run.save(state)

    env_step = state.env_step
    for setting, tuples in settings_to_test(run.header.task, config).items():
        results = run_tests(agent, config, run.header.task, tuples, stop_if_asked)
        run.log(env_step, metrics_of(results, setting))
        returns, lengths, successes = zip(
            *((one.total_reward, one.length, one.success) for one in results), strict=True
        )
        run.log_episodes(env_step, setting, returns, lengths, successes)
        write_test_files(run.directory, setting, results)
        if config.save_video:
            folder = run.directory / "videos"
            folder.mkdir(exist_ok=True)
            film_settings(Film(folder / f"{setting}.mp4"), agent, config, run.header.task, {setting: tuples})


def statistics_of(episodes: Sequence[Episode]) -> dict[str, float]:
    """Means over the training episodes that just ended; none where none did."""
    if not episodes:
        return {}
    return {
        "train/return": float(np.mean([episode.total_reward for episode in episodes])),
        "train/reward_per_step": float(np.mean([episode.total_reward / episode.length for episode in episodes])),
        "train/length": float(np.mean([episode.length for episode in episodes])),
        "train/success": float(np.mean([episode.success for episode in episodes])),
    }


@contextmanager
def stopwatch(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note under `name` how long the block took."""
    start = time.perf_counter()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds[name] = time.perf_counter() - start
