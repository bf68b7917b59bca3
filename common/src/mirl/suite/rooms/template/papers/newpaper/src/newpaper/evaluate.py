"""The test protocol: fresh episodes, actions drawn from the policy or its likeliest ones (card 6)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from mirl.arithmetic import set_up_torch
from mirl.checkpoint import load_checkpoint
from mirl.paper import EvaluateOptions
from mirl.run import Header
from newpaper.agent import Agent
from newpaper.config import ReinforceConfig
from newpaper.envs import batch_of
from newpaper.film import film_episode
from newpaper.rollout import Draws, Episodes, play
from newpaper.state import TrainState

SETTINGS = ("sampled", "greedy")
"""Actions drawn from the policy, or its likeliest ones."""


def run_test(agent: Agent, task: str, greedy: bool = False, episodes: int | None = None) -> Episodes:
    """Episodes from starts that no training has: they and the actions hang on `evaluation_seed` alone."""
    config = agent.config
    number = config.evaluation_episodes if episodes is None else episodes
    batch = batch_of(task, number)
    return play(agent.policy, batch, Draws.of(config.evaluation_seed, 0, "test", number, batch), greedy)


def metrics_of(episodes: Episodes) -> dict[str, float]:
    """Means over episodes."""
    returns = episodes.returns()
    return {
        "eval/return": float(returns.mean()),
        "eval/return_sd": float(returns.std(correction=0)),
        "eval/success": float(episodes.survived().mean()),
    }


def evaluate(directory: Path, header: Header, config: ReinforceConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; with a film of the first episode if that is asked for."""
    set_up_torch(config.threads)
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    agent = Agent(header.task, config, header.seed, device)
    load_checkpoint(directory, TrainState(agent))
    greedy = options.setting == "greedy"
    episodes = run_test(agent, header.task, greedy, options.episodes)
    if options.video is not None:
        film_episode(options.video, episodes, greedy)
    return metrics_of(episodes)
