"""Small data that several tests share."""

from __future__ import annotations

from newpaper.agent import Agent
from newpaper.config import configure
from newpaper.envs import batch_of
from newpaper.rollout import Draws, Episodes, collect

METHODS = ("reinforce", "reinforce_baseline")


def some_agent(method: str = "reinforce_baseline", fidelity: str = "faithful", seed: int = 0) -> Agent:
    return Agent("cartpole", configure("cartpole", method, fidelity), seed)


def some_draws(seed: int, episodes: int) -> Draws:
    return Draws.of(seed, 0, "test of the code", episodes, batch_of("cartpole", episodes))


def some_episodes(agent: Agent, episodes: int = 4, number: int = 0) -> Episodes:
    return collect(agent.policy, "cartpole", episodes, 0, number)
