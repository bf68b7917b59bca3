"""Pictures of MuJoCo: right where a drawing library is, one clear line where none is."""

from __future__ import annotations

import numpy as np
import pytest

from mirl.drawing import RenderingError, drawing_library
from sami.envs import make_slots, make_test_env
from sami.envs.scaling import RED


def drawable() -> bool:
    try:
        drawing_library()
    except RenderingError:
        return False
    return True


needs_drawing = pytest.mark.skipif(not drawable(), reason="neither OSMesa nor EGL is installed")


@needs_drawing
def test_a_slot_and_the_same_environment_look_alike_and_the_crippled_joint_is_red():
    hurt, well = ((1,), (0,), (1.0,)), ((1,), (2,), (1.0,))
    slots = make_slots("crippled_hopper", (hurt, well), seed=0)
    slots.reset()
    pictures = [slots.render(slot, width=160, height=120) for slot in range(2)]
    assert pictures[0].shape == (120, 160, 3)
    redness = [(picture[..., 0].astype(int) > 2 * picture[..., 1].astype(int)).sum() for picture in pictures]
    assert redness[0] > 20 > redness[1]
    np.testing.assert_array_equal(slots.render(0, width=160, height=120), pictures[0])
    environment = make_test_env("crippled_hopper", hurt, seed=0).unwrapped
    environment.seed(slots.streams[0])
    environment.reset()
    assert environment.model.geom_rgba[3].tolist() == pytest.approx(RED)
    np.testing.assert_array_equal(environment.render(width=160, height=120), pictures[0])
    environment.close(), slots.close()


def place_of_the_robot(picture: np.ndarray) -> tuple[int, float]:
    """How many pixels are the robot's orange, and their middle, 0 at the left edge and 1 at the right."""
    orange = picture[..., 0].astype(int) > 1.4 * picture[..., 2].astype(int) + 20
    return int(orange.sum()), float(np.flatnonzero(orange.any(axis=0)).mean() / picture.shape[1])


@needs_drawing
@pytest.mark.parametrize("task", ["hopper", "ant"])
def test_the_camera_follows_the_robot_whatever_its_mass(task: str):
    tuples = tuple(((mass,), (1.0,)) for mass in (1.0, 0.2, 1.7, 4.0))
    slots = make_slots(task, tuples, seed=0)
    slots.reset()
    for _ in range(20):
        slots.step(np.zeros((len(tuples), slots.action_size), dtype=np.float32))
    pictures = [slots.render(slot, width=160, height=120) for slot in range(len(tuples))]
    usual, _ = place_of_the_robot(pictures[0])
    for picture in pictures:
        size, middle = place_of_the_robot(picture)
        assert size == pytest.approx(usual, rel=0.3)
        assert middle == pytest.approx(0.5, abs=0.1)
    slots.close()


@needs_drawing
def test_a_picture_changes_nothing_in_the_simulation():
    drawn, undrawn = (make_test_env("hopper", ((4.0,), (1.0,)), seed=5).unwrapped for _ in range(2))
    for environment in (drawn, undrawn):
        environment.reset()
        for _ in range(3):
            if environment is drawn:
                environment.render(width=160, height=120)
            last = environment.step(np.full(3, 0.5))[0]["observation"]
        environment.close()
    np.testing.assert_array_equal(last, drawn.observation(drawn.snapshot(), drawn.snapshot())["observation"])


def test_an_unknown_drawing_library_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(RenderingError, match="MUJOCO_GL is egl or osmesa where there is no screen, got 'nonsense'"):
        drawing_library()


def test_a_missing_drawing_library_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mirl.drawing.find_library", lambda name: None)
    for chosen, package in (("osmesa", "libosmesa6"), ("egl", "libegl1")):
        monkeypatch.setenv("MUJOCO_GL", chosen)
        with pytest.raises(RenderingError, match=f"apt-get install {package}"):
            drawing_library()
