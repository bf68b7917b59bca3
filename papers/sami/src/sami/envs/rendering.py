"""Pictures of MuJoCo simulators without a screen: EGL where there is a GPU, else OSMesa."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirl.drawing import RenderingError, drawing_library
from sami.envs.simulator import mujoco


def surface(width: int, height: int) -> Any:
    """An OpenGL context without a window. RenderingError where the system cannot give one."""
    chosen = drawing_library()
    os.environ["PYOPENGL_PLATFORM"] = chosen
    try:
        return import_module(f"mujoco.{chosen}").GLContext(width, height)
    except Exception as error:  # the loaders raise whatever their library lacks
        reason = f"{type(error).__name__}: {error}"
        raise RenderingError(f"MuJoCo cannot draw with {chosen} here ({reason}); the other way is MUJOCO_GL") from None


class Camera:
    """Draws one size of picture, following the robot, of a model and of all that differ from it in numbers only."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        self.surface = surface(width, height)
        self.viewport = mujoco.MjrRect(0, 0, width, height)
        self.surface.make_current()
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        self.context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.context)
        self.scene = mujoco.MjvScene(model, maxgeom=200)

    def picture(self, model: mujoco.MjModel, data: mujoco.MjData) -> NDArray[np.uint8]:
        """(height, width, 3), the robot seen by the model's tracking camera."""
        self.surface.make_current()
        follow_masses(model, data)
        view = mujoco.MjvCamera()
        view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        mujoco.mjv_updateScene(
            model, data, mujoco.MjvOption(), None, view, mujoco.mjtCatBit.mjCAT_ALL.value, self.scene
        )
        mujoco.mjr_render(self.viewport, self.scene, self.context)
        pixels = np.empty((self.viewport.height, self.viewport.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self.viewport, self.context)
        return np.ascontiguousarray(pixels[::-1])

    def close(self) -> None:
        """Free the surface."""
        del self.context, self.scene
        self.surface.free()


def follow_masses(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Place the tracking camera, number 0, by the masses that the robot has now.

    MuJoCo divides by the subtree's mass, which scaled masses leave as it was: the camera would stand as many times as
    far from the origin as the robot is heavier. Physics does not read the camera's place.
    """
    root = model.cam_bodyid[0]
    subtree = [body for body in range(model.nbody) if model.body_rootid[body] == model.body_rootid[root]]
    masses = model.body_mass[subtree]
    data.cam_xpos[0] = masses @ data.xipos[subtree] / masses.sum() + model.cam_poscom0[0]
