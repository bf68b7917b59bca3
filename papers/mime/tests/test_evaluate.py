"""What the test protocol hands from a config to the environment."""

from __future__ import annotations

from dataclasses import replace

from mime.config import configure
from mime.evaluate import environment_for


def test_a_configs_choices_reach_the_pendulum():
    config = configure("pendulum", "maml", "faithful")
    assert not environment_for("pendulum", 0, config).unwrapped.every_task
    assert environment_for("pendulum", 0, replace(config, pendulum_tasks="every")).unwrapped.every_task


def test_a_configs_choices_reach_ml10():
    config = configure("ml10", "maml", "faithful")
    plain = environment_for("ml10", 0, config).unwrapped
    assert (plain.preset, plain.num_workers) == ("compat12", 1)
    chosen = environment_for("ml10", 0, replace(config, ml10_preset="full39", num_workers=3)).unwrapped
    assert (chosen.preset, chosen.num_workers) == ("full39", 3)
