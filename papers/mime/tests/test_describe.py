"""Parameter counts of every task (card 5.1, 5.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mime.__main__ import PAPER
from mime.config import configure
from mime.evaluate import agent_for

COUNTS = {
    "wide_ring": (4484, 452),
    "hard_exploration": (4484, 452),
    "close_ring": (4484, 452),
    "dog": (4548, 582),
    "pendulum": (4482, 518),
    "pendulum_sparse": (4482, 518),
    "ml10": (5256, 10_508),
}
"""Task -> policy, dynamics model (means and rhos)."""


@pytest.mark.parametrize("task", COUNTS)
def test_networks_have_the_cards_numbers_of_parameters(task: str):
    policy, dynamics = COUNTS[task]
    assert PAPER.parameter_counts(task, "maml") == {"policy": policy}
    assert PAPER.parameter_counts(task, "mime") == {"policy": policy, "dynamics": dynamics}


def test_ml10s_whole_observation_makes_a_larger_policy_and_a_model_of_all_but_the_goal():
    config = replace(configure("ml10", "mime", "faithful"), ml10_preset="full39")
    agent = agent_for("ml10", config, seed=0, device="cpu")
    assert agent.layout.size == 6984
    assert agent.dynamics_size == 36
