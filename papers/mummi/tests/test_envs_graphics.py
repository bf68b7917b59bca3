"""Which library draws: the user's choice, else what fits the machine, else one clear line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mummi.envs import graphics
from mummi.envs.graphics import RenderingError, choose, drawing_library


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The libraries that are said to be here; nothing is set by the user."""
    here = {"OSMesa", "EGL"}
    monkeypatch.setattr(graphics, "find_library", lambda name: name if name in here else None)
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
    monkeypatch.setattr(graphics, "Path", Device(gpu))
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
    monkeypatch.setattr(graphics, "Path", Device(False))
    with pytest.raises(RenderingError, match=r"a library that is missing here; sudo apt-get install libosmesa6$"):
        drawing_library()


def test_an_unknown_choice_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(RenderingError, match="MUJOCO_GL is egl or osmesa where there is no screen, got 'nonsense'"):
        drawing_library()


def test_the_choice_is_made_for_the_imports_that_follow(monkeypatch: pytest.MonkeyPatch):
    for name in ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISABLE_RENDER_THREAD_OFFLOADING"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    chosen = choose()
    assert os.environ["MUJOCO_GL"] == os.environ["PYOPENGL_PLATFORM"] == chosen


def test_nothing_is_drawn_or_simulated_before_an_environment_is_made():
    program = "import sys, mummi.envs, mummi.replay; sys.exit('mujoco' in sys.modules or 'dm_control' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_environment_that_is_left_open_ends_quietly():
    program = "from mummi.backgrounds.procedural import ProceduralVideos as Videos; from mummi.envs import make_env; "
    program += "make_env('cup_catch', 0, Videos('train', 1, 2)).reset()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
