"""PEARL's test: a few trajectories to infer the task, then those that count (card 5.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from mime.pearl.agent import PearlAgent
from mime.pearl.config import PearlConfig
from mime.pearl.replay import Replay
from mime.pearl.rollout import Sampler, World, make_world, run_test
from mime.pearl.state import PearlState
from mime.rollout import Episodes
from mime.streams import Streams
from mime.trajectories import film_trajectories, scene_of
from mirl.arithmetic import set_up_torch
from mirl.checkpoint import load_checkpoint
from mirl.config import ConfigError
from mirl.paper import EvaluateOptions
from mirl.run import Header


def agent_for(world: World, seed: int, device: str) -> PearlAgent:
    """A new agent for a world."""
    sizes = world.environment.observation_space.shape[0], world.environment.action_space.shape[0]
    return PearlAgent(world.config, *sizes, seed, device)


def play_test(world: World, agent: PearlAgent, config: PearlConfig, setting: str = "test") -> list[Episodes]:
    """Trajectory after trajectory of the test tasks, or of the training tasks; nothing is learnt."""
    tested = World(world.environment, world.tasks, config)
    sampler = Sampler(tested, agent, Streams(config.evaluation_seed, 0, agent.device, f"pearl {setting} "))
    return run_test(sampler, tested.test if setting == "test" else tested.training)


def metrics_of(phases: list[Episodes]) -> dict[str, float]:
    """The last trajectory, the first one, and the return of each."""
    metrics: dict[str, float] = {}
    for name, value in phases[-1].statistics().items():
        metrics |= {f"eval/{name}": value, f"eval/{name}_unadapted": phases[0].statistics()[name]}
    return metrics | {f"eval/return_step_{k}": float(phase.returns().mean()) for k, phase in enumerate(phases)}


def episode_rows(episodes: Episodes) -> tuple[list[float], list[int], list[float]]:
    """Returns, lengths and successes of every episode, over tasks and repetitions."""
    returns: list[float] = episodes.returns().flatten().tolist()
    successes: list[float] = episodes.episode_successes().flatten().tolist()
    return returns, [episodes.rewards.shape[1]] * len(returns), successes


def evaluate(directory: Path, header: Header, config: PearlConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; `--episodes` asks for that many repetitions on every task."""
    set_up_torch(config.threads)
    if options.episodes is not None:
        config = replace(config, evaluation_batches=options.episodes)
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    world = make_world(header.task, config, header.seed)
    agent = agent_for(world, header.seed, device)
    replay = Replay(config.n_train_tasks, agent.columns.width)
    load_checkpoint(directory, PearlState(directory, agent, replay, with_replay=False))
    phases = play_test(world, agent, config, options.setting or "test")
    if options.video is not None:
        scene = scene_of(world.environment)
        if scene is None:
            raise ConfigError(f"--video cannot show {header.task}")
        indices = world.test if options.setting != "train" else world.training
        shown = [("first trajectory", phases[0]), ("last trajectory", phases[-1])]
        film_trajectories(options.video, scene, [world.tasks[i] for i in indices], shown)
    return metrics_of(phases)
