"""Sizes of the networks, as `describe` tells them."""

from __future__ import annotations

from newpaper.agent import Agent
from newpaper.config import configure
from newpaper.networks import count


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each network's parameters."""
    agent = Agent(task, configure(task, method, "faithful"), seed=0)
    return {"policy": count(agent.policy)} | ({} if agent.value is None else {"value": count(agent.value)})
