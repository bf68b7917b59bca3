"""The Kuka iiwa with a two-finger gripper, moved to poses over the workspace with the tool pointing down.

The tool point lies between the fingertips. Its yaw is the direction in which the fingers open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pybullet

WORKSPACE_LOW, WORKSPACE_HIGH = np.array([0.3, -0.2, 0.01]), np.array([0.7, 0.2, 0.25])
"""Metres (card 4.5)."""
HOME = np.array([0.5, 0.0, 0.2])
"""Where the tool is at a reset (card 4.5)."""
MODEL = "kuka_iiwa/kuka_with_gripper2.sdf"
ARM_JOINTS = tuple(range(7))
LEFT_FINGER, RIGHT_FINGER = (8, 9, 10), (11, 12, 13)
"""Links of each finger: finger, base, tip."""
PALM = 7
SHOULDER_HEIGHT, UPPER_ARM, FOREARM = 0.36, 0.42, 0.40
"""Metres, of the model."""
TOOL_REACH, TOOL_OFFSET = 0.365, 0.024
"""Metres from the wrist's centre to the tool point, along the palm and across it (the fingers sit off-centre)."""
PALM_TO_TOOL = np.array([0.0, TOOL_OFFSET, 0.24])
WIDEST = 0.2
"""Radians of each finger's joint at an opening of 1 (card 4.5)."""
ELBOW_LIMIT, TURN_LIMIT = 2.6, 3.05
"""Radians. The model's elbow stops at 2.09 and would not reach the near edge of the workspace with the tool down."""
MOTION_STEPS, SETTLING_STEPS, FINGER_STEPS, FEELING_STEPS = 24, 6, 12, 4
"""Steps of 1/240 s for a move of the arm, until it rests, for a move of the fingers, and from touch to touch."""
TOUCHING = 0.002
"""Metres between things that touch: the engine keeps a margin."""
ARM_FORCE, FINGER_FORCE = 200.0, 4.0
"""Newton metres at most, per joint."""


class Pose(NamedTuple):
    """Where the tool is."""

    position: np.ndarray
    """(3,), metres."""
    yaw: float
    """Radians."""


def joint_angles(position: np.ndarray, yaw: float) -> np.ndarray:
    """The seven angles that bring the tool to a pose, pointing down, the elbow up and in the plane of the arm.

    The seventh may be off by a multiple of 2 pi. Source: two sides and three angles of the triangle shoulder, elbow,
    wrist.
    """
    wrist_x = position[0] + TOOL_OFFSET * np.sin(yaw)
    wrist_y = position[1] - TOOL_OFFSET * np.cos(yaw)
    radius, rise = np.hypot(wrist_x, wrist_y), position[2] + TOOL_REACH - SHOULDER_HEIGHT
    distance, tilt = np.hypot(radius, rise), np.arctan2(radius, rise)
    at_shoulder = np.arccos((UPPER_ARM**2 + distance**2 - FOREARM**2) / (2 * UPPER_ARM * distance))
    at_wrist = np.arccos((FOREARM**2 + distance**2 - UPPER_ARM**2) / (2 * FOREARM * distance))
    heading, shoulder = np.arctan2(wrist_y, wrist_x), tilt - at_shoulder
    elbow = shoulder - (tilt + at_wrist)
    return np.array([heading, shoulder, 0.0, elbow, 0.0, np.pi - shoulder + elbow, heading - yaw])


def wrapped(angle: float) -> float:
    """The same direction in (-pi, pi]."""
    return float(-((-angle + np.pi) % (2 * np.pi) - np.pi))


class Arm:
    """The arm in one Bullet world."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.body = client.loadSDF(MODEL)[0]
        for link in (-1, *ARM_JOINTS):  # above the objects whatever the tool does; what cannot touch costs no time
            client.setCollisionFilterGroupMask(self.body, link, 0, 0)
        client.changeDynamics(self.body, 3, jointLowerLimit=-ELBOW_LIMIT, jointUpperLimit=ELBOW_LIMIT)
        for link in (*LEFT_FINGER, *RIGHT_FINGER):
            client.changeDynamics(self.body, link, lateralFriction=1.0)

    def reset(self) -> None:
        """To the home pose, fingers open and at rest."""
        for joint, angle in zip(ARM_JOINTS, joint_angles(HOME, 0.0), strict=True):
            self.client.resetJointState(self.body, joint, angle)
        for link, angle in ((8, -WIDEST), (11, WIDEST), (9, 0.0), (12, 0.0), (10, 0.0), (13, 0.0), (PALM, 0.0)):
            self.client.resetJointState(self.body, link, angle)
        self.aim(joint_angles(HOME, 0.0))
        self.command = 1.0
        self.aim_fingers()

    def pose(self) -> Pose:
        """Where the tool is now."""
        _, _, _, _, position, quaternion = self.client.getLinkState(self.body, PALM)
        rotation = np.array(self.client.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
        return Pose(np.array(position) + rotation @ PALM_TO_TOOL, float(np.arctan2(-rotation[1, 0], -rotation[0, 0])))

    def opening(self) -> float:
        """How far the fingers are open, 0 to 1."""
        left, right = self.client.getJointStates(self.body, (LEFT_FINGER[0], RIGHT_FINGER[0]))
        return float((right[0] - left[0]) / (2 * WIDEST))

    def move(self, position: np.ndarray, yaw: float, feel: Callable[[], object] = lambda: None) -> None:
        """Drive the tool to a pose, slowly at both ends, and wait until it rests; `feel` is called on the way."""
        now = np.array([state[0] for state in self.client.getJointStates(self.body, ARM_JOINTS)])
        goal = joint_angles(position, yaw)
        goal[6] = np.clip(now[6] + wrapped(goal[6] - now[6]), -TURN_LIMIT, TURN_LIMIT)
        for step in range(1, MOTION_STEPS + 1):
            part = step / MOTION_STEPS
            self.aim(now + part * part * (3 - 2 * part) * (goal - now))
            self.client.stepSimulation()
            if step % FEELING_STEPS == 0:
                feel()
        for _ in range(SETTLING_STEPS):
            self.client.stepSimulation()

    def aim(self, angles: np.ndarray) -> None:
        """Let the motors hold these angles."""
        self.client.setJointMotorControlArray(
            self.body,
            (*ARM_JOINTS, PALM),  # the model lets the palm turn, too
            pybullet.POSITION_CONTROL,
            targetPositions=[*angles.tolist(), 0.0],
            forces=[ARM_FORCE] * 8,
            positionGains=[0.5] * 8,
        )

    def grip(self, command: float) -> None:
        """Open or close the fingers: 0 closed, 1 open. A command that is there already takes no time."""
        if command != self.command:
            self.command = command
            self.aim_fingers()
            for _ in range(FINGER_STEPS):
                self.client.stepSimulation()

    def aim_fingers(self) -> None:
        """Let the fingers' motors hold the last command; the tips stay as they are."""
        angle = WIDEST * self.command
        self.client.setJointMotorControlArray(
            self.body,
            (8, 11, 10, 13),
            pybullet.POSITION_CONTROL,
            targetPositions=[-angle, angle, 0.0, 0.0],
            forces=[FINGER_FORCE] * 4,
            positionGains=[0.3] * 4,
        )

    def touches(self, finger: tuple[int, ...], body: int, link: int = -1) -> bool:
        """Whether a finger stands against a part of a body."""
        points = self.client.getContactPoints(self.body, body, linkIndexB=link)
        return any(point[3] in finger and point[8] < TOUCHING for point in points)
