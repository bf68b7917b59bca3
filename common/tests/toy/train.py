"""Training and evaluation."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirl.checkpoint import load_checkpoint
from mirl.paper import EvaluateOptions
from mirl.run import Header, Run
from toy.config import DriftConfig, WalkConfig

Vector = np.ndarray[Any, np.dtype[np.float64]]


class TrainState:
    """Where the walker is, the generator of its steps, and how many there were."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self.env_step = 0
        self.generator = np.random.default_rng(seed)
        self.position: Vector = np.full(dimensions, 3.0)

    def save(self, folder: Path) -> None:
        np.savez(folder / "parameters.npz", position=self.position)
        counters = {"env_step": self.env_step, "generator": self.generator.bit_generator.state}
        (folder / "counters.json").write_text(json.dumps(counters))

    def load(self, folder: Path) -> None:
        self.position = np.load(folder / "parameters.npz", allow_pickle=False)["position"]
        counters = json.loads((folder / "counters.json").read_text())
        self.env_step, self.generator.bit_generator.state = int(counters["env_step"]), counters["generator"]


def write_policy(saved: Path, folder: Path) -> None:
    """All of it: a walker has nothing that only training needs."""
    for name in ("parameters.npz", "counters.json"):
        shutil.copyfile(saved / name, folder / name)


def train(run: Run, config: WalkConfig) -> None:
    """Train until `config.total_env_steps`."""
    state = run.restore(TrainState(config.dimensions, run.seed))
    should_log, should_evaluate = run.clock("log", config.log_every), run.clock("evaluate", config.evaluate_every)

    while state.env_step < config.total_env_steps:
        loss = update(state, config)
        if should_log(state.env_step):
            run.log(state.env_step, {"loss/distance": loss, "train/return": -loss, "time/now": time.time()})
        if should_evaluate(state.env_step):
            returns = episode_returns(state.position, 3)
            run.log(state.env_step, {"eval/return": float(returns.mean())})
            run.log_episodes(state.env_step, "training", returns, [1] * 3, returns > -2)
        is_early = state.env_step < config.save_from and not run.stop_requested
        if not is_early and run.should_save(state.env_step):
            run.save(state)
    (run.directory / "position.txt").write_text(" ".join(map(str, state.position)))


def update(state: TrainState, config: WalkConfig) -> float:
    """Walk `steps_per_update` steps; returns the distance to the origin."""
    time.sleep(config.seconds_per_step * config.steps_per_update)
    for step in state.generator.normal(scale=config.step_size, size=(config.steps_per_update, config.dimensions)):
        state.env_step += 1
        there = state.position + step
        if isinstance(config, DriftConfig) and (config.form == "straight" or state.env_step % 2):
            state.position = there - config.drift * state.position
        elif np.linalg.norm(there) < np.linalg.norm(state.position):
            state.position = there
    if config.crash_at and state.env_step >= config.crash_at:
        raise RuntimeError("the walker fell\ninto a ditch")
    if config.nan_at and state.env_step >= config.nan_at:
        return float("nan")
    return float(np.linalg.norm(state.position))


def episode_returns(position: Vector, episodes: int) -> Vector:
    """(episodes,) returns: minus the distance to goals that scatter about the origin."""
    goals = np.random.default_rng(0).normal(size=(episodes, position.size))
    distances: Vector = np.linalg.norm(position - goals, axis=1)
    return -distances


def evaluate(directory: Path, header: Header, config: WalkConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Mean return of a run directory's newest checkpoint."""
    state = load_checkpoint(directory, TrainState(config.dimensions, header.seed))
    returns = episode_returns(state.position, options.episodes or 3)
    if options.video:
        shutil.copyfile(Path(__file__).with_name("film.webm"), options.video.path)  # this environment has no encoder
        options.video.last = np.zeros((48, 64, 3), np.uint8)
        options.video.tell(f"A walk of {header.task}.", "Film of a light dot that crosses a dark field.")
    return {f"{options.setting}/return": float(returns.mean()), "env_step": float(state.env_step)}
