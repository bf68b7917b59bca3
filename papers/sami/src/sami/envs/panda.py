"""Panda-gym's pick-and-place scene as SaMI's push task, with a cube and a table of given mass and friction (card 4.5).

panda-gym speaks gymnasium's API; this environment speaks gym 0.23's, as the MuJoCo ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gym
import gymnasium
import numpy as np
from numpy.typing import NDArray

from sami.envs.episodes import Context, Options, checked_actions, episode_generator
from sami.envs.skills import CubeContact, step_skill
from sami.settings import TaskTuple, checked_tuple, task_sets

HORIZON = 50
"""Steps per episode."""
FINGERS = (9, 10)
"""The gripper's links."""
KEYS = {"achieved_goal": 3, "desired_goal": 3, "observation": 19}
"""Observation -> size, in the alphabetical order in which the encoder concatenates them (card 5.1)."""
SPACES = {"gym": gym.spaces, "gymnasium": gymnasium.spaces}


@contextmanager
def silent_bullet() -> Iterator[None]:
    """Keep what Bullet prints from C off standard output, where the commands' own answers go."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def build() -> Any:
    """Robot, table and cube: the goal lies on the table, the reward is minus the distance to it."""
    with silent_bullet():
        from panda_gym.envs.core import RobotTaskEnv
        from panda_gym.envs.robots.panda import Panda
        from panda_gym.envs.tasks.pick_and_place import PickAndPlace
        from panda_gym.pybullet import PyBullet

        simulator = PyBullet(render_mode="rgb_array", renderer="Tiny")
        robot = Panda(simulator, block_gripper=False, base_position=np.array([-0.6, 0.0, 0.0]), control_type="ee")
        task = PickAndPlace(simulator, reward_type="dense", goal_z_range=0.0)
        return RobotTaskEnv(robot, task)


class PandaPush(gym.Env):  # type: ignore[misc]  # gym has no types
    """Bring the cube to a goal on the table, by pushing, rolling or carrying it.

    Observation: float32 achieved_goal (3,), desired_goal (3,), observation (19,). Action: (4,) in [-1, 1], motion of
    the end effector and of the fingers. Ends when the cube is within .05 of the goal, or after 50 steps.
    A task is (lateral friction of the table, mass of the cube); Bullet multiplies it with the cube's friction of .5.
    """

    metadata: ClassVar[dict[str, list[str]]] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: str = "panda",
        parameters: TaskTuple | None = None,
        horizon: int | None = None,
        spaces: str = "gym",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        Options(**options)
        self.task = checked_tuple(task, parameters or task_sets(task)["training"].tuples[0])
        self.horizon = horizon or HORIZON
        self.scene = build()
        self.bullet = self.scene.sim.physics_client
        self.bodies = self.scene.sim._bodies_idx
        friction, mass = self.task
        self.context: Context = {"friction": friction, "mass": mass}
        self.bullet.changeDynamics(self.bodies["object"], -1, mass=mass)
        self.scene.sim.set_lateral_friction("table", -1, friction)
        self.scene.sim.set_spinning_friction("table", -1, 0.001)
        self.seed(seed)
        self.actions: list[NDArray[np.float32]] = []
        library = SPACES[spaces]
        self.action_space = library.Box(-1.0, 1.0, (4,), np.float32)
        boxes = {key: library.Box(-10.0, 10.0, (size,), np.float32) for key, size in KEYS.items()}
        self.observation_space = library.Dict(boxes)

    def seed(self, seed: int | None = None) -> list[int]:
        """Start the stream of episodes that `seed` names, with its first one; None draws a seed."""
        self.stream = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self.episode = -1
        return [self.stream]

    def reset(
        self, *, seed: int | None = None, return_info: bool = False, options: dict[str, Any] | None = None
    ) -> Any:
        """The next episode: cube and goal anew, the arm in its neutral pose. Returns the observation."""
        if seed is not None:
            self.seed(seed)
        self.episode += 1
        self.begin()
        observation = self.scene._get_obs()
        return (observation, {"context": self.context}) if return_info else observation

    def begin(self) -> None:
        """Set the scene of the running episode.

        The cube is first taken off the table for one look at collisions: Bullet else carries contact impulses over
        from the last episode, and an episode would depend on the ones before it.
        """
        robot, task = self.scene.robot, self.scene.task
        robot.reset()
        self.scene.sim.set_base_pose("object", np.array([0.0, 0.0, 5.0]), np.array([0.0, 0.0, 0.0, 1.0]))
        self.bullet.performCollisionDetection()
        task.np_random = episode_generator(self.stream, self.episode)
        robot.reset()
        task.reset()
        self.length, self.total_reward = 0, 0.0
        self.actions = []

    def replay(self, episode: int, actions: Any, letters: list[str]) -> dict[str, NDArray[np.float32]]:
        """Come to where an episode was after some actions, which Bullet repeats exactly; returns the observation.

        `letters` gets the skill of each step.
        """
        self.episode = episode
        self.begin()
        for action in actions:
            letters.append(self.step(action)[3]["skill"])
        observation: dict[str, NDArray[np.float32]] = self.scene._get_obs()
        return observation

    def step(self, action: object) -> tuple[dict[str, NDArray[np.float32]], float, bool, dict[str, Any]]:
        """One control step: 20 physics steps of 2 ms."""
        given = checked_actions(action, (4,))
        self.actions.append(given.copy())
        observation, reward, success, _, _ = self.scene.step(given)
        self.length, self.total_reward = self.length + 1, self.total_reward + reward
        info = {
            "is_success": success,
            "episode": {"r": self.total_reward, "l": self.length},
            "context": self.context,
            "skill": step_skill(self.contact()),
        }
        return observation, reward, success or self.length >= self.horizon, info

    def contact(self) -> CubeContact:
        """What the skill classifier reads."""
        cube, panda, table = (self.bodies[name] for name in ("object", "panda", "table"))
        fingers = all(self.bullet.getContactPoints(panda, cube, finger, -1) for finger in FINGERS)
        on_table = bool(self.bullet.getContactPoints(cube, table))
        return CubeContact(float(self.scene.task.get_achieved_goal()[2]), on_table, fingers)

    def render(self, mode: str = "rgb_array", width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3) by Bullet's own software renderer."""
        pixels = self.scene.sim.render(width, height, self.scene.render_target_position, 1.4, 45, -30, 0)
        return np.asarray(pixels, dtype=np.uint8)[..., :3]

    def close(self) -> None:
        """Let go of the simulator."""
        self.scene.close()
