"""What the networks see of observations, by hand (card 4.8)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from toy_agents import small_config

from mummi.inputs import clipped_rewards, network_inputs


def observations() -> dict[str, np.ndarray]:
    """Two moments in the types of the replay; the second one's sensors are missing, that is, zero."""
    seen = np.array([1, 0])
    return {
        "image": (seen[:, None, None, None] * np.full((64, 64, 3), [255, 51, 102])).astype(np.uint8),
        "depth": (seen[:, None, None, None] * np.full((64, 64, 1), 50)).astype(np.float16),
        "touch": (seen[:, None] * np.array([1500, 100])).astype(np.float16),
        **{f"{name}_flag": seen[:, None].astype(np.float16) for name in ("image", "depth", "touch")},
    }


def test_pictures_lie_around_zero_and_missing_ones_at_minus_a_half():
    inputs = network_inputs(observations(), small_config("mummi"))
    assert_allclose(inputs["image"][0, 10, 20], [0.5, -0.3, -0.1], rtol=1e-6)
    assert_allclose(inputs["depth"][0, 10, 20], [-0.25], rtol=1e-6)
    assert_allclose(inputs["image"][1], -0.5)
    assert_allclose(inputs["depth"][1], -0.5)


def test_the_farthest_depth_is_half():
    far = observations() | {"depth": np.full((2, 64, 64, 1), 200, np.float16)}
    assert_allclose(network_inputs(far, small_config("dreamer"))["depth"], 0.5)


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("mummi", {}, (7.5, 0.5)),
        ("cvrl", {}, (1500, 100)),
        ("dreamer", {}, (1500, 100)),
        ("dreamer", {"touch_scale": 50.0}, (30, 2)),
    ],
)
def test_touch_is_divided_by_its_scale(method: str, changes: dict[str, float], expected: tuple[float, float]):
    touch = network_inputs(observations(), small_config(method, **changes))["touch"]
    assert_allclose(touch, [expected, (0, 0)], rtol=1e-6)


def test_flags_stay_and_all_is_float32():
    inputs = network_inputs(observations(), small_config("mummi"))
    for name in ("image", "depth", "touch"):
        assert_allclose(inputs[f"{name}_flag"], [[1], [0]])
    assert {array.dtype.name for array in inputs.values()} == {"float32"}


def test_an_agent_of_one_sensor_gets_the_image_alone():
    assert set(network_inputs(observations(), small_config("mummi", multi_modal=False))) == {"image", "image_flag"}


@pytest.mark.parametrize(("clip", "expected"), [("none", (-2, 0, 0.5)), ("tanh", (-0.9640276, 0, 0.4621172))])
def test_rewards_are_squashed_only_when_asked(clip: str, expected: tuple[float, ...]):
    rewards = clipped_rewards(np.array([-2, 0, 0.5], np.float16), small_config("mummi", clip_rewards=clip))
    assert rewards.dtype.name == "float32"
    assert_allclose(rewards, expected, rtol=1e-6)
