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
