"""The test protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from amigo.agent import Agent
from amigo.config import configure
from amigo.evaluate import Test, play
from amigo.rollout import Actors


def test_episodes_are_played_to_their_end_whatever_goals_are_met(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("amigo.rollout.goal_reached", lambda frame, *_: np.ones(len(frame), dtype=bool))
    config = replace(configure("Empty-5x5", "amigo", "readme"), restart_episode=True)
    steps, step = iter(range(500)), Actors.step

    def counted(*what: Any) -> None:
        assert next(steps, None) is not None, "three environments must end an episode within 100 steps each"
        step(*what)

    monkeypatch.setattr(Actors, "step", counted)
    episodes = play(Agent("Empty-5x5", config, 0, "cpu"), "Empty-5x5", config, Test(3))
    assert len(episodes) == 3
    assert all(2 <= one.length <= 4 * 5 * 5 for one in episodes)
