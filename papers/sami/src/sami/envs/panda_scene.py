"""Panda-gym's robot, table and cube, asked through Bullet directly: each thing once a step, where panda-gym asks anew.

Every number is panda-gym's own, bit for bit (tests/test_envs_panda.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEYS = {"achieved_goal": 3, "desired_goal": 3, "observation": 19}
"""Observation -> size, in the alphabetical order in which the encoder concatenates them (card 5.1)."""
FINGERS = (9, 10)
"""The gripper's joints and links."""
REACH = 0.05
"""Metres that the hand may be sent in a step, along each axis."""
FINGER_REACH = 0.2
"""Metres that the fingers may be sent apart in a step."""
DOWNWARDS = (1.0, 0.0, 0.0, 0.0)
"""The hand's orientation, a quaternion."""
GOAL_COLOUR = (0.9, 0.1, 0.1, 1.0)
"""Red, while the cube is green: Bullet's software renderer draws no see-through goal."""

Observation = dict[str, NDArray[np.float32]]


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


class Scene:
    """A scene of panda-gym's, which builds and resets it; acting and looking are done here."""

    def __init__(self) -> None:
        self.whole = build()
        self.bullet = self.whole.sim.physics_client
        self.bodies = self.whole.sim._bodies_idx
        robot = self.whole.robot
        panda, cube = self.bodies["panda"], self.bodies["object"]
        calls = self.bullet
        self.hand_state = partial(calls.getLinkState, panda, robot.ee_link, computeLinkVelocity=True)
        self.finger_states = partial(calls.getJointStates, panda, FINGERS)
        self.cube_pose = partial(calls.getBasePositionAndOrientation, cube)
        self.cube_velocity = partial(calls.getBaseVelocity, cube)
        self.euler = calls.getEulerFromQuaternion
        self.arm_angles = partial(
            calls.calculateInverseKinematics, bodyIndex=panda, endEffectorLinkIndex=robot.ee_link,
            targetOrientation=DOWNWARDS,
        )  # fmt: skip
        self.drive = partial(
            calls.setJointMotorControlArray, panda, jointIndices=[int(joint) for joint in robot.joint_indices],
            controlMode=calls.POSITION_CONTROL, forces=[float(force) for force in robot.joint_forces],
        )  # fmt: skip
        self.physics_step = calls.stepSimulation
        self.hand: NDArray[np.float64] = np.zeros(3)
        self.finger_width = 0.0
        self.cube_height = 0.0

    def act(self, action: NDArray[np.float32]) -> None:
        """Send hand and fingers somewhere, from where they were last seen, and let the scene's control step pass."""
        action = np.clip(action, np.float32(-1), np.float32(1))
        wanted = self.hand + action[:3] * REACH
        wanted[2] = max(0.0, wanted[2])
        angles = self.arm_angles(targetPosition=wanted)[:7]
        # In float32, as panda-gym's sum of a Python number and a float32 one is.
        each_finger = float((self.finger_width + action[-1] * FINGER_REACH) / 2)
        self.drive(targetPositions=[*angles, each_finger, each_finger])
        self.pass_time()

    def pass_time(self) -> None:
        """The physics of one control step."""
        for _ in range(self.whole.sim.n_substeps):
            self.physics_step()

    def observe(self) -> Observation:
        """What is seen now: hand, fingers, cube and goal."""
        hand = self.hand_state()
        first, second = self.finger_states()
        position, orientation = self.cube_pose()
        velocity = self.cube_velocity()
        self.hand, self.finger_width = np.array(hand[0]), first[0] + second[0]
        self.cube_height = position[2]
        parts = (*hand[0], *hand[6], self.finger_width, *position, *self.euler(orientation), *velocity[0], *velocity[1])
        return {
            "achieved_goal": np.array(position, dtype=np.float32),
            "desired_goal": self.whole.task.goal.astype(np.float32),
            "observation": np.array(parts, dtype=np.float32),
        }

    def outcome(self, achieved: NDArray[np.float32]) -> tuple[float, bool]:
        """Reward, which is minus the distance of the cube (3,) from the goal, and whether that is close enough."""
        distance = np.linalg.norm(achieved - self.whole.task.goal)
        return float(-distance.astype(np.float32)), bool(distance < self.whole.task.distance_threshold)

    def set_task(self, friction: float, mass: float) -> None:
        """The table's lateral friction and the cube's mass; both survive resets."""
        self.bullet.changeDynamics(self.bodies["object"], -1, mass=mass)
        self.whole.sim.set_lateral_friction("table", -1, friction)
        self.whole.sim.set_spinning_friction("table", -1, 0.001)

    def begin(self, random: np.random.Generator) -> None:
        """Cube and goal anew, the arm in its neutral pose.

        The cube is first taken off the table for one look at collisions: Bullet else carries contact impulses over
        from the last episode, and an episode would depend on the ones before it.
        """
        robot, task = self.whole.robot, self.whole.task
        robot.reset()
        self.whole.sim.set_base_pose("object", np.array([0.0, 0.0, 5.0]), np.array([0.0, 0.0, 0.0, 1.0]))
        self.bullet.performCollisionDetection()
        task.np_random = random
        robot.reset()
        task.reset()

    def fingers_touch_cube(self) -> bool:
        """Whether both do."""
        panda, cube = self.bodies["panda"], self.bodies["object"]
        return all(self.bullet.getContactPoints(panda, cube, finger, -1) for finger in FINGERS)

    def cube_touches_table(self) -> bool:
        """Whether it does."""
        return bool(self.bullet.getContactPoints(self.bodies["object"], self.bodies["table"]))

    def picture(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) of the table's middle by Bullet's own software renderer; the goal is red."""
        self.bullet.changeVisualShape(self.bodies["target"], -1, rgbaColor=GOAL_COLOUR)
        pixels = self.whole.sim.render(width, height, np.array(LOOKED_AT), CAMERA_DISTANCE, 45, -30, 0)
        return np.asarray(pixels, dtype=np.uint8)[..., :3]

    def close(self) -> None:
        """Let go of the simulator."""
        self.whole.close()


LOOKED_AT, CAMERA_DISTANCE = (0.0, 0.0, 0.05), 0.75
"""Metres: near enough to tell a cube of 4 cm in a small picture."""
