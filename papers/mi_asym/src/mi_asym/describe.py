"""Sizes of the networks, as `describe` tells them."""

from __future__ import annotations

from mi_asym.building import agent_for
from mi_asym.config import EmbedderFields, configure
from mi_asym.networks.layers import parameter_count
from mi_asym.representation.learner import RepresentationLearner
from mi_asym.stages import untrained


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each part of an agent, targets left out, and in stage 2 as a whole (card 5.9)."""
    config = configure(task, method, "paper")
    counts = agent_for(task, method, config, 0, "cpu", untrained(task, config)).parameter_counts()
    if isinstance(config, EmbedderFields):
        counts["stage 2"] = parameter_count(RepresentationLearner(task, config))
    return counts
