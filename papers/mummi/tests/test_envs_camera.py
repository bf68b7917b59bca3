"""Pictures: one drawing gives what the original's four gave, and what nobody sees is not drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mummi.backgrounds.procedural import ProceduralVideos
from mummi.envs import EnvOptions, make_env
from mummi.envs.camera import Camera, PlainCamera, View
from mummi.envs.simulator import Simulator
from mummi.envs.tasks import TASKS

VIDEOS = ProceduralVideos("train", videos=4, frames=10)
NOTHING_MISSING = EnvOptions().with_miss_ratio(0)


def played(options: EnvOptions, task: str = "walker_walk", steps: int = 5) -> list[dict[str, Any]]:
    """All observations of the beginning of an episode under random actions."""
    env = make_env(task, 3, VIDEOS, options)
    chance = np.random.default_rng(0)
    observations = [env.reset()]
    observations += [env.step(chance.uniform(-1, 1, env.action_space.shape))[0] for _ in range(steps)]
    env.close()
    return observations


def assert_equal(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key], err_msg=key)


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each drawing of the fast camera."""
    counted: list[None] = []
    draw: Callable[[View], Any] = View.draw

    def counting(view: View) -> Any:
        counted.append(None)
        return draw(view)

    monkeypatch.setattr(View, "draw", counting)
    return counted


DEPTHS = {
    "walker_walk": (1.90, 85.64),
    "walker_stand": (1.90, 85.64),
    "finger_spin": (0.968, 31.17),
    "cheetah_run": (2.25, 69.96),
    "quadruped_walk": (3.55, 27.52),
    "cup_catch": (0.953, 31.31),
}
"""Nearest and farthest metres at one reset (card 4.1); a pose moves them a little, another camera or unit a lot."""


@pytest.mark.parametrize("task", TASKS)
def test_one_drawing_equals_dm_controls_two_and_depth_is_in_metres(task: str):
    simulator = Simulator(task)
    once, twice = Camera(simulator), PlainCamera(simulator)
    simulator.reset()
    chance = np.random.default_rng(0)
    for _ in range(2):
        for _ in range(5):
            simulator.step(chance.uniform(simulator.action_space.low, simulator.action_space.high))
        ours, theirs = once.with_pictures({}), twice.with_pictures({})
        assert (ours["image"].dtype, ours["image"].shape) == (np.uint8, (64, 64, 3))
        assert (ours["depth"].dtype, ours["depth"].shape) == (np.float32, (64, 64, 1))
        assert len(np.unique(ours["image"])) > 10, "something is to be seen"
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["depth"], theirs["depth"])
        if task in DEPTHS:
            assert DEPTHS[task][0] * 0.8 < ours["depth"].min() < DEPTHS[task][0] * 1.4
            assert DEPTHS[task][1] * 0.7 < ours["depth"].max() < DEPTHS[task][1] * 1.3
    simulator.close()


def test_drawing_the_last_repeat_only_equals_drawing_all(drawings: list[None]):
    ours = played(NOTHING_MISSING)
    assert len(drawings) == 6, "the reset and five agent steps"
    assert_equal(ours, played(replace(NOTHING_MISSING, plain=True)))


def test_what_is_missing_altogether_is_not_drawn_and_nothing_else_changes(drawings: list[None]):
    options = EnvOptions().with_miss_ratio(0.4)
    ours = played(options, steps=8)
    seen = sum(int(each["image_flag"][0] or each["depth_flag"][0]) for each in ours)
    assert len(drawings) == seen < len(ours)
    assert_equal(ours, played(replace(options, plain=True), steps=8))


def test_nothing_is_drawn_where_everything_is_missing(drawings: list[None]):
    observations = played(EnvOptions().with_miss_ratio(1), steps=3)
    assert not drawings
    assert not any(each[key].any() for each in observations for key in ("image", "depth", "touch"))


def test_fast_rendering_changes_light_but_not_depth():
    simulator = Simulator("walker_walk")
    simulator.reset()
    slow, fast = (Camera(simulator, fast).with_pictures({}) for fast in (False, True))
    np.testing.assert_array_equal(slow["depth"], fast["depth"])
    assert (slow["image"] != fast["image"]).any()
    simulator.close()


def test_a_larger_picture_can_be_drawn_between_steps_and_changes_nothing():
    env = make_env("cup_catch", 0, VIDEOS, NOTHING_MISSING)
    env.reset()
    expected = env.step(np.zeros(2))[0]["image"]
    env.seed(0), env.reset()
    assert env.render(mode="rgb_array", width=160, height=120).shape == (120, 160, 3)
    np.testing.assert_array_equal(env.step(np.zeros(2))[0]["image"], expected)
    with pytest.raises(ValueError, match="mode must be rgb_array, got human"):
        env.render()
    env.close()


def test_the_quadruped_is_seen_by_its_third_camera_and_the_others_by_their_first():
    assert {task: each.camera for task, each in TASKS.items() if each.camera} == {"quadruped_walk": 2}
