"""The MuJoCo tasks as plain gym 0.23 environments: one simulator, one step at a time (card 4.1)."""

from __future__ import annotations

from typing import Any, ClassVar

import gym
import gymnasium
import numpy as np
from numpy.typing import NDArray

from sami.envs.episodes import Context, Options, checked_actions, episode_generator
from sami.envs.models import load_model
from sami.envs.rendering import Camera
from sami.envs.robots import Snapshot, robot_of
from sami.envs.scaling import actuator_mask, apply_context, body_of, copy_of, draw_start
from sami.envs.simulator import mujoco
from sami.settings import TaskTuple, checked_tuple, task_sets

SPACES = {"gym": gym.spaces, "gymnasium": gymnasium.spaces}
TORSO = 1
"""The body whose position and rotation ants see."""


class Locomotion(gym.Env):  # type: ignore[misc]  # gym has no types
    """A robot whose masses, dampings and joints change with every episode.

    Observation: {"observation": float32 (size,)}. Action: float32 controls within the actuators' range, applied
    unclipped. Ends at its horizon and nowhere else. `info` holds the running return and length at every step, as
    in the release. `spaces` names the library whose spaces are declared: Stable-Baselines3 knows gymnasium's only.
    """

    metadata: ClassVar[dict[str, list[str]]] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: str,
        parameters: TaskTuple | None = None,
        horizon: int | None = None,
        spaces: str = "gym",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        self.options = Options(**options)
        self.robot = robot_of(task, self.options.reward_version)
        self.task = checked_tuple(task, parameters or task_sets(task)["training"].tuples[0])
        self.horizon = horizon or self.robot.horizon
        self.model = load_model(self.robot.model, self.options.legacy_capsule_mass)
        self.data = mujoco.MjData(self.model)
        self.original = copy_of(body_of(self.model))
        self.dt = self.model.opt.timestep * self.robot.frame_skip
        self.context: Context = {}
        self.mask = np.ones(self.model.nu)
        self.camera: Camera | None = None
        self.seed(seed)
        box = SPACES[spaces].Box
        low, high = (self.model.actuator_ctrlrange[:, side].astype(np.float32) for side in (0, 1))
        self.action_space = box(low, high, dtype=np.float32)
        still = self.snapshot()
        size = self.robot.observe(still, still, self.dt).shape
        self.observation_space = SPACES[spaces].Dict({"observation": box(-np.inf, np.inf, size, np.float32)})

    def seed(self, seed: int | None = None) -> list[int]:
        """Start the stream of episodes that `seed` names, with its first one; None draws a seed."""
        self.stream = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self.episode = -1
        return [self.stream]

    def reset(
        self, *, seed: int | None = None, return_info: bool = False, options: dict[str, Any] | None = None
    ) -> Any:
        """The next episode: noise, masses, dampings and crippled joints anew. Returns the observation."""
        if seed is not None:
            self.seed(seed)
        self.episode += 1
        generator = episode_generator(self.stream, self.episode)
        start = draw_start(self.robot, self.task, self.options, (self.model.nq, self.model.nv), generator)
        apply_context(self.robot, body_of(self.model), self.original, start.context)
        self.context = start.context
        self.mask = actuator_mask(self.robot, self.model.nu, start.context, self.options)
        mujoco.mj_resetData(self.model, self.data)
        self.place(self.data.qpos + start.position_noise, self.data.qvel + start.velocity_noise)
        observation = self.observation(self.snapshot(), self.snapshot())
        return (observation, {"context": self.context}) if return_info else observation

    def place(self, position: Any, velocity: Any) -> None:
        """Put the robot somewhere, (nq,) and (nv,), as an episode's first moment."""
        self.data.qpos[:], self.data.qvel[:] = position, velocity
        mujoco.mj_forward(self.model, self.data)
        self.length, self.total_reward = 0, 0.0

    def snapshot(self) -> Snapshot:
        """Copies of what the simulator holds now."""
        data = self.data
        return Snapshot(
            np.array(data.qpos), np.array(data.qvel), np.array(data.xpos[TORSO]), np.array(data.xmat[TORSO])
        )

    def observation(self, before: Snapshot, after: Snapshot) -> dict[str, NDArray[np.float32]]:
        """What the agent sees after a step, or after a reset, where both are the same."""
        return {"observation": self.robot.observe(before, after, self.dt).astype(np.float32)}

    def step(self, action: object) -> tuple[dict[str, NDArray[np.float32]], float, bool, dict[str, Any]]:
        """One control step."""
        controls = checked_actions(action, (self.model.nu,)).astype(np.float64) * self.mask
        before = self.snapshot()
        self.data.ctrl[:] = controls
        mujoco.mj_step(self.model, self.data, self.robot.frame_skip)
        after = self.snapshot()
        reward = float(self.robot.reward(self.robot, before, after, controls, self.dt))
        self.length, self.total_reward = self.length + 1, self.total_reward + reward
        info = {
            "is_success": False,
            "episode": {"r": self.total_reward, "l": self.length},
            "context": self.context,
        }
        return self.observation(before, after), reward, self.length >= self.horizon, info

    def render(self, mode: str = "rgb_array", width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3)."""
        if self.camera is None:
            self.camera = Camera(self.model, width, height)
        return self.camera.picture(self.model, self.data)

    def close(self) -> None:
        """Let go of the drawing surface."""
        if self.camera is not None:
            self.camera.close()
            self.camera = None
