"""Sizes of the networks, as `describe` tells them."""

from __future__ import annotations

from mime.agent import MamlExplAgent
from mime.config import MamlConfig
from mime.evaluate import agent_for


def parameter_counts(task: str, config: MamlConfig) -> dict[str, int]:
    """Numbers in each network's parameter vector (card 5.1, 5.5)."""
    agent = agent_for(task, config, seed=0, device="cpu")
    dynamics = {"dynamics": agent.model.layout.size} if isinstance(agent, MamlExplAgent) else {}
    return {"policy": agent.layout.size} | dynamics
