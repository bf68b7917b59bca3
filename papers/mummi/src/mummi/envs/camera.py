"""Image and depth: drawn once per agent step in one pass, or four times over as the original did."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
from gym import spaces
from numpy.typing import NDArray

from mummi.envs.simulator import Observation, Simulator
from mummi.envs.tasks import PICTURE_SIZE

SPACES = {
    "image": spaces.Box(0, 255, (PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8),
    "depth": spaces.Box(0, np.inf, (PICTURE_SIZE, PICTURE_SIZE, 1), np.float32),
}


class Camera(gym.Wrapper):  # type: ignore[misc]
    """Adds `image` uint8 (64, 64, 3) and `depth` float32 (64, 64, 1), in metres, from one drawing of the scene.

    It stands outside the action repeat, so that only what is returned is drawn: bit-equal to `PlainCamera`
    (card 8.3, items 1 and 2). While `needed` is False nothing is drawn and both are zero: somebody further out will
    replace them anyway (item 3).
    """

    def __init__(self, env: gym.Env, fast: bool = False) -> None:
        """`fast`: no shadows and no reflections, which changes pixels and takes a fraction of the time."""
        super().__init__(env)
        self.observation_space = spaces.Dict(env.observation_space.spaces | SPACES)
        self.needed = True
        simulator: Simulator = env.unwrapped
        self.view = View(simulator.physics, simulator.camera_number, fast)

    def reset(self, **arguments: Any) -> Observation:
        """The first observation with its pictures."""
        return self.with_pictures(self.env.reset(**arguments))

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, dict[str, Any]]:
        """The observation after the last repeat with its pictures."""
        observation, reward, done, info = self.env.step(action)
        return self.with_pictures(observation), reward, done, info

    def with_pictures(self, observation: Observation) -> Observation:
        """The observation, and what the camera sees now."""
        if self.needed:
            image, depth = self.view.draw()
        else:
            image, depth = (np.zeros(space.shape, space.dtype) for space in SPACES.values())
        return {**observation, "image": image, "depth": depth}


class View:
    """A fixed camera's scene, kept from one drawing to the next."""

    def __init__(self, physics: Any, camera: int, fast: bool) -> None:
        import mujoco  # these two load the drawing library that the simulator has chosen
        from dm_control.mujoco import wrapper

        self.physics, self.mujoco = physics, mujoco
        self.scene = wrapper.MjvScene(model=physics.model)
        self.option, self.perturbation, self.camera = wrapper.MjvOption(), wrapper.MjvPerturb(), wrapper.MjvCamera()
        self.camera.fixedcamid, self.camera.type = camera, mujoco.mjtCamera.mjCAMERA_FIXED
        self.perturbation.active = self.perturbation.select = 0
        if fast:
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                self.scene.flags[int(flag)] = 0
        self.rectangle = mujoco.MjrRect(0, 0, PICTURE_SIZE, PICTURE_SIZE)
        with physics.contexts.gl.make_current() as surface:
            offscreen = mujoco.mjtFramebuffer.mjFB_OFFSCREEN
            surface.call(mujoco.mjr_setBuffer, offscreen, physics.contexts.mujoco.ptr)

    def draw(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Image (64, 64, 3) and depth (64, 64, 1), first row on top."""
        model = self.physics.model
        self.mujoco.mjv_updateScene(
            model.ptr,
            self.physics.data.ptr,
            self.option.ptr,
            self.perturbation.ptr,
            self.camera.ptr,
            self.mujoco.mjtCatBit.mjCAT_ALL,
            self.scene.ptr,
        )
        pixels = np.empty((PICTURE_SIZE, PICTURE_SIZE, 3), dtype=np.uint8)
        raw = np.empty((PICTURE_SIZE, PICTURE_SIZE), dtype=np.float32)
        with self.physics.contexts.gl.make_current() as surface:
            surface.call(self.on_surface, pixels, raw)
        near, far = model.vis.map.znear * model.stat.extent, model.vis.map.zfar * model.stat.extent
        depth = near / (1 - raw * (1 - near / far))
        return np.ascontiguousarray(pixels[::-1]), np.ascontiguousarray(depth[::-1, :, None])

    def on_surface(self, pixels: NDArray[np.uint8], raw: NDArray[np.float32]) -> None:
        """Draw once and read both buffers, on the thread that owns the surface."""
        context = self.physics.contexts.mujoco.ptr
        self.mujoco.mjr_render(self.rectangle, self.scene.ptr, context)
        self.mujoco.mjr_readPixels(pixels, raw, self.rectangle, context)


class PlainCamera(gym.Wrapper):  # type: ignore[misc]
    """Two drawings by dm_control after every control step, as in the original; stands inside the action repeat."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Dict(env.observation_space.spaces | SPACES)

    def reset(self, **arguments: Any) -> Observation:
        """The first observation with its pictures."""
        return self.with_pictures(self.env.reset(**arguments))

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, dict[str, Any]]:
        """The observation with its pictures."""
        observation, reward, done, info = self.env.step(action)
        return self.with_pictures(observation), reward, done, info

    def with_pictures(self, observation: Observation) -> Observation:
        """The observation, and what the camera sees now."""
        simulator: Simulator = self.env.unwrapped
        picture = {"height": PICTURE_SIZE, "width": PICTURE_SIZE, "camera_id": simulator.camera_number}
        image = simulator.physics.render(**picture)
        depth = simulator.physics.render(**picture, depth=True)[..., None]
        return {**observation, "image": image, "depth": depth}
