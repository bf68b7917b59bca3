"""Training: where data comes from, what is learnt from it, what is written down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from mime.config import MamlConfig
from mime.envs import Task, batch_of
from mime.evaluate import (
    agent_for,
    environment_for,
    episode_rows,
    horizon_for,
    metrics_of,
    run_tests,
    write_results,
)
from mime.files import write_training_files
from mime.rollout import class_statistics
from mime.state import TrainState
from mime.streams import Streams
from mime.surrogate import MetaBatch
from mime.trajectories import Gallery, scene_of
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.run import Run


def train(run: Run, config: MamlConfig) -> None:
    """Train until `config.total_env_steps`, then test; everything that must survive a kill is in `state`."""
    set_up_torch(config.threads)
    keep_freed_memory()
    environment = environment_for(run.header.task, run.seed, config).unwrapped
    agent = agent_for(run.header.task, config, run.seed, run.device)
    state = run.restore(TrainState(agent, environment))
    pictures = run.directory / "train_trajectories"
    gallery = Gallery(pictures, scene_of(environment), config.trajectory_images_every, state.iteration)
    horizon, seconds = horizon_for(run.header.task), dict[str, float]()

    while state.env_step < config.total_env_steps:
        draw = Streams(run.seed, state.iteration, run.device)
        tasks = environment.sample_tasks(config.meta_batch_size)
        seed = draw.seed_for("starts")
        batched = batch_of(environment, tasks, config.fast_batch_size, horizon, run.device, seed)
        with stopwatch(seconds, "time/collect_s"):
            exploring = agent.explores(state.iteration)
            batch = agent.collect(batched, len(tasks), config.fast_batch_size, draw, config.num_steps, exploring)
        with stopwatch(seconds, "time/update_s"):
            losses = agent.update(batch, draw)
        gallery.show(state.iteration, tasks, batch.train[0].episodes, batch.valid.episodes)
        state.env_step += batch.env_steps
        state.iteration += 1
        run.log(state.env_step, agent.statistics(batch) | class_metrics(tasks, batch) | losses | seconds)
        if run.should_save(state.env_step):
            write_training_files(run.directory, run.header, config, agent)
            run.save(state)

    write_training_files(run.directory, run.header, config, agent)
    run.save(state)
    batches = run_tests(agent, config, run.header.task)
    run.log(state.env_step, metrics_of(batches))
    run.log_episodes(state.env_step, "adapted", *episode_rows(batches, adapted=True))
    run.log_episodes(state.env_step, "unadapted", *episode_rows(batches, adapted=False))
    write_results(run.directory, agent, batches, scene_of(environment))


def class_metrics(tasks: Sequence[Task], batch: MetaBatch) -> dict[str, float]:
    """ML10's metrics for each class that was drawn; none for the other tasks."""
    phases = {"": batch.train[0].episodes, "adapted_": batch.valid.episodes}
    return {
        f"train/{prefix}{metric}_{name}": value
        for prefix, episodes in phases.items()
        for name, values in class_statistics(tasks, episodes).items()
        for metric, value in values.items()
    }


@contextmanager
def stopwatch(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note under `name` how long the block took."""
    start = time.perf_counter()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds[name] = time.perf_counter() - start
