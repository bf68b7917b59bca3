"""Which library draws: the user's choice, else what fits the machine, else one clear line."""

from __future__ import annotations

import pytest

from mirl import drawing
from mirl.drawing import RenderingError, drawing_library


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The libraries that are said to be here; nothing is set by the user."""
    here = {"OSMesa", "EGL"}
    monkeypatch.setattr(drawing, "find_library", lambda name: name if name in here else None)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    return here


class Device:
    """Stands for the file that an NVIDIA driver makes."""

    def __init__(self, there: bool) -> None:
        self.there = there

    def __call__(self, path: str) -> Device:
        assert path == "/dev/nvidia0"
        return self

    def exists(self) -> bool:
        return self.there


@pytest.mark.parametrize(("gpu", "chosen", "second"), [(True, "egl", "osmesa"), (False, "osmesa", "egl")])
def test_a_gpu_draws_where_there_is_one(
    gpu: bool, chosen: str, second: str, installed: set[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drawing, "Path", Device(gpu))
    assert drawing_library() == chosen
    installed.remove({"egl": "EGL", "osmesa": "OSMesa"}[chosen])
    assert drawing_library() == second, "the other one where the first is missing"


@pytest.mark.parametrize("wanted", ["egl", "osmesa"])
def test_the_users_choice_is_respected(wanted: str, installed: set[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", wanted)
    assert drawing_library() == wanted
    installed.clear()
    package = {"egl": "libegl1", "osmesa": "libosmesa6"}[wanted]
    with pytest.raises(RenderingError, match=f"sudo apt-get install {package}$"):
        drawing_library()


def test_where_nothing_can_draw_one_line_names_the_package(installed: set[str], monkeypatch: pytest.MonkeyPatch):
    installed.clear()
    monkeypatch.setattr(drawing, "Path", Device(False))
    with pytest.raises(RenderingError, match=r"a library that is missing here; sudo apt-get install libosmesa6$"):
        drawing_library()


def test_an_unknown_choice_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(RenderingError, match="MUJOCO_GL is egl or osmesa where there is no screen, got 'nonsense'"):
        drawing_library()
