"""Judging an agent: deterministic episodes with fresh memory and dropout off (card 6.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi_asym.agents.base import Agent
from mi_asym.building import agent_for, environments_for, source_for
from mi_asym.config import TrainConfig
from mi_asym.envs import GRID_TASKS
from mi_asym.experience import Source
from mi_asym.film import film_episode
from mi_asym.rollout import Episode, Policy, play
from mi_asym.stages import untrained
from mi_asym.state import load_agent
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.checkpoint import read_checkpoint
from mirl.paper import EvaluateOptions
from mirl.run import Header

SETTINGS = ("test",)
"""One protocol: fresh episodes of the training task."""


def judge(agent: Agent, environments: Any, source: Source) -> list[Episode]:
    """One deterministic episode in each environment."""
    return play(environments, Policy(agent, source))


def metrics_of(task: str, episodes: Sequence[Episode]) -> dict[str, float]:
    """Means over episodes; on grids also how many visited the information cell."""
    metrics = {
        "eval/success": float(np.mean([episode.success for episode in episodes])),
        "eval/return": float(np.mean([episode.total for episode in episodes])),
        "eval/length": float(np.mean([episode.length for episode in episodes])),
    }
    if task in GRID_TASKS:
        metrics["eval/information_visits"] = float(np.mean([episode.informed for episode in episodes]))
    return metrics


def episode_rows(episodes: Sequence[Episode]) -> tuple[list[float], list[int], list[float]]:
    """Returns, lengths and successes."""
    return (
        [episode.total for episode in episodes],
        [episode.length for episode in episodes],
        [float(episode.success) for episode in episodes],
    )


def evaluate(directory: Path, header: Header, config: TrainConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint, in `--episodes` fresh episodes (default 100)."""
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"

    def load(agent: Agent) -> None:
        read_checkpoint(directory, partial(load_agent, agent))

    return judge_policy(header.task, header.method, config, header.seed, device, load, options)


def judge_policy(
    task: str, method: str, config: TrainConfig, seed: int, device: str, load: Callable[[Agent], None],
    options: EvaluateOptions,
) -> Mapping[str, float]:  # fmt: skip
    """Judge the agent that `load` reads, in `--episodes` fresh episodes (default 100), and film one if asked to."""
    set_up_torch(config.threads)
    keep_freed_memory()
    prepared = untrained(task, config)
    source = source_for(task, method, config, seed, device, prepared)
    agent = agent_for(task, method, config, seed, device, prepared)
    load(agent)
    environments = environments_for(task, method, config, seed, options.episodes or 100, "test")
    try:
        episodes = judge(agent, environments, source)
        if options.video is not None:
            film_episode(options.video, task, agent, environments, source)
    finally:
        environments.close()
    return metrics_of(task, episodes)
