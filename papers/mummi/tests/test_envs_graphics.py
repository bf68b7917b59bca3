"""The drawing library is chosen before anything that draws is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mummi.envs.graphics import choose


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
