"""The scripted expert: straight lines between the waypoints of a plan (card 4.5)."""

from __future__ import annotations

import numpy as np

from mi_asym.envs.robots.arm import Pose, wrapped
from mi_asym.envs.robots.scenes import HIGH, Scene, Waypoint

METRES_PER_UNIT, RADIANS_PER_UNIT = 0.05, np.pi / 8
"""Of an action (card 4.5)."""
LIFTING_DECISIONS = 2
"""Between the object that cannot move and the one that can."""
REACHED, TURNED = 0.008, 0.05
"""Metres and radians from a waypoint at which the next one is due."""


class Expert:
    """Plans and follows one episode. `decide` is to be asked once for every step."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.reset()

    def reset(self) -> None:
        """Forget the plan."""
        self.decision = 0
        self.plan: list[Waypoint] = []

    def decide(self, pose: Pose, seeking: bool) -> np.ndarray:
        """The next action, float32 (5,), whose plan is for the movable object, or first for the other if `seeking`."""
        decision, tried = self.decision, self.scene.seeking_decisions
        self.decision += 1
        if seeking and tried <= decision < tried + LIFTING_DECISIONS:
            self.plan = []
            return np.array([self.scene.grip, 0.0, 0.0, float(self.scene.lifts), 0.0], np.float32)
        movable = not seeking or decision >= tried
        if not self.plan:
            self.plan = self.scene.plan(movable)
            if pose.position[2] < HIGH - REACHED:  # not through what stands in the way
                above = np.array([*pose.position[:2], HIGH])
                self.plan.insert(0, Waypoint(above, pose.yaw))
        while len(self.plan) > 1 and is_there(pose, self.plan[0]):
            self.plan.pop(0)
        action = towards(pose, self.plan[0], self.scene.grip)
        if movable and is_there(pose, self.plan[0]):  # it slipped away on the way: once more
            self.plan = []
        return action


def is_there(pose: Pose, waypoint: Waypoint) -> bool:
    """Whether the tool has come to a waypoint."""
    near = bool(np.linalg.norm(pose.position - waypoint.position) < REACHED)
    return near and abs(half_turn(waypoint.yaw - pose.yaw)) < TURNED


def towards(pose: Pose, waypoint: Waypoint, grip: float) -> np.ndarray:
    """The action that brings the tool nearest to a waypoint along a straight line: float32 (5,)."""
    move = (waypoint.position - pose.position) / METRES_PER_UNIT
    move /= max(1.0, float(np.abs(move).max()))
    turn = np.clip(half_turn(waypoint.yaw - pose.yaw) / RADIANS_PER_UNIT, -1.0, 1.0)
    return np.array([grip, *move, turn], np.float32)


def half_turn(angle: float) -> float:
    """The smaller turn to the same line, in (-pi/2, pi/2]: the gripper looks the same from both sides."""
    return wrapped(2 * angle) / 2
