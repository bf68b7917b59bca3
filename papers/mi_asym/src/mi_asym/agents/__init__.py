"""Agents of stage 3, one file a method with its form for grids and for robots; `make_agent` knows which is which."""

from __future__ import annotations

from typing import Any

from mi_asym.agents.asymmetric import AsymmetricDqnAgent, AsymmetricSacAgent
from mi_asym.agents.base import Agent
from mi_asym.agents.believer import BelieverDqnAgent, BelieverSacAgent
from mi_asym.agents.dqn import DqnAgent
from mi_asym.agents.markov import MarkovDqnAgent, MarkovSacAgent
from mi_asym.agents.ours import OursDqnAgent, OursSacAgent
from mi_asym.agents.sac import SacAgent
from mi_asym.agents.zp import ZpDqnAgent, ZpSacAgent
from mi_asym.envs import TaskSpec
from mi_asym.streams import generator


def make_agent(spec: TaskSpec, method: str, config: Any, seed: int, device: str, prepared: Any) -> Agent:
    """A new agent; `prepared` is what the stages before have learnt for it, or None."""
    given = spec, config, generator(seed, 0, "weights"), device
    robot = spec.continuous
    if method in ("ours_gru", "ours_gpt", "no_history"):
        return (OursSacAgent if robot else OursDqnAgent)(*given, prepared.embedders)
    if method in ("zp_gru", "zp_gpt"):
        return (ZpSacAgent if robot else ZpDqnAgent)(*given)
    if method in ("ba", "ua"):
        return (AsymmetricSacAgent if robot else AsymmetricDqnAgent)(*given, method == "ba")
    if method in ("believer_gru", "believer_gpt"):
        return (BelieverSacAgent if robot else BelieverDqnAgent)(*given, prepared.features)
    if method in ("zero_on", "zero_off", "mdp"):
        embedders = prepared.embedders if prepared else None
        return (MarkovSacAgent if robot else MarkovDqnAgent)(*given, embedders)
    agent = (SacAgent if robot else DqnAgent)(*given)
    agent.learn()
    return agent
