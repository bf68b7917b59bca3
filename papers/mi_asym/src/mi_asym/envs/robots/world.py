"""One robot task in one Bullet simulation (card 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pybullet
import pybullet_data

from mi_asym.envs.gridworld import Arrival
from mi_asym.envs.images import heights, inside_rectangle
from mi_asym.envs.robots.arm import HOME, LEFT_FINGER, RIGHT_FINGER, WORKSPACE_HIGH, WORKSPACE_LOW, Arm
from mi_asym.envs.robots.expert import METRES_PER_UNIT, RADIANS_PER_UNIT, Expert
from mi_asym.envs.robots.scenes import FRICTION, BlockPullingScene, BlockPushingScene, DrawerOpeningScene, Scene

SCENES: dict[str, Callable[[Any], Scene]] = {
    "block_pulling": BlockPullingScene,
    "block_pushing": BlockPushingScene,
    "drawer_opening": DrawerOpeningScene,
}
GRAVITY, SOLVER_ITERATIONS, TIME_STEP = -10.0, 50, 1 / 240
"""m/s², and of the engine (card 4.5)."""
CAMERA_HEIGHT = 0.06
"""Metres above the tool (card 4.5)."""
GOAL_DEPTH = 0.02
"""Metres by which the goal area looks deeper (card 4.5)."""
FINGER_HALF_EXTENTS = (0.012, 0.0125)
"""Metres of the rectangle that a finger covers, along the direction of opening and across it; from the arm's model."""
FINGER_CLOSED, FINGER_TRAVEL = 0.018, 0.034
"""Metres from the tool point to the middle of a finger, closed, and how much further it is open."""


class Client:
    """A Bullet simulation of its own; pybullet's functions are its methods."""

    def __init__(self) -> None:
        self.number = pybullet.connect(pybullet.DIRECT)

    def __getattr__(self, name: str) -> Any:
        """A function of pybullet for this simulation, kept: it is called again."""
        function = partial(getattr(pybullet, name), physicsClientId=self.number)
        setattr(self, name, function)
        return function


class RobotWorld:
    """The arm, what stands around it, and the camera's picture of it; the same draws give the same episode."""

    def __init__(self, task: str) -> None:
        self.client = Client()
        self.client.setAdditionalSearchPath(pybullet_data.getDataPath())
        self.client.setPhysicsEngineParameter(
            numSolverIterations=SOLVER_ITERATIONS, fixedTimeStep=TIME_STEP, deterministicOverlappingPairs=1
        )
        self.client.setGravity(0.0, 0.0, GRAVITY)
        floor = self.client.createMultiBody(0.0, self.client.createCollisionShape(pybullet.GEOM_PLANE))
        self.client.changeDynamics(floor, -1, lateralFriction=FRICTION)
        self.arm, self.scene = Arm(self.client), SCENES[task](self.client)
        self.expert = Expert(self.scene)
        self.untouched = self.client.saveState()

    def reset(self, draws: np.random.Generator) -> None:
        """A new episode; the engine forgets all contacts of the last one."""
        self.client.restoreState(self.untouched)
        self.arm.reset()
        self.scene.place(draws)
        self.expert.reset()
        self.held = False
        self.look()

    def step(self, action: np.ndarray) -> Arrival:
        """Move the tool, then the fingers; `action` is (gripper, dx, dy, dz, dyaw), clipped to [-1, 1] (card 4.5)."""
        grip, *move, turn = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        pose = self.arm.pose()
        position = np.clip(pose.position + METRES_PER_UNIT * np.array(move), WORKSPACE_LOW, WORKSPACE_HIGH)
        self.held = False
        self.arm.move(position, pose.yaw + RADIANS_PER_UNIT * turn, self.feel)
        self.arm.grip(float((grip + 1.0) / 2.0))
        self.feel()
        self.look()
        success = self.scene.success()
        return Arrival(float(success), success or not self.scene.is_valid(), success)

    def query_expert(self, seeking: bool) -> np.ndarray:
        """The scripted expert's next action, float32 (5,); to be asked once for every step."""
        return self.expert.decide(self.arm.pose(), seeking)

    def look(self) -> None:
        """Take the picture: `depth` float16 and `mask` bool (84, 84), `holding` bool."""
        pose = self.arm.pose()
        middle, camera = pose.position[:2], pose.position[2] + CAMERA_HEIGHT
        terrain = heights(self.scene.boxes(), middle)
        depth, goal = camera - terrain, self.scene.goal()
        if goal is not None:
            depth[inside_rectangle(goal - middle, 0.0, (0.045, 0.045))] += GOAL_DEPTH
        opening = self.arm.opening()
        apart = (FINGER_CLOSED + FINGER_TRAVEL * opening) * np.array([np.cos(pose.yaw), np.sin(pose.yaw)])
        for finger in (-apart, apart):
            depth[inside_rectangle(finger, pose.yaw, FINGER_HALF_EXTENTS)] = 0.0
        movable = heights(self.scene.movable_boxes(), middle)
        self.depth = np.clip(depth, 0.0, 1.0).astype(np.float16)
        self.mask: np.ndarray = (movable > 0.0) & (movable >= terrain)
        self.holding = self.held

    def feel(self) -> None:
        """Note in `held` that one thing stands against both fingers now. What is dragged slides on a little when the
        tool stops, so that the picture alone would come too late."""
        self.held = self.held or any(
            self.arm.touches(LEFT_FINGER, body, link) and self.arm.touches(RIGHT_FINGER, body, link)
            for body, link in self.scene.graspable()
        )

    def frame(self) -> np.ndarray:
        """A colour picture of the whole table, uint8 (240, 320, 3)."""
        view = pybullet.computeViewMatrix((1.15, -0.55, 0.6), (HOME[0], HOME[1], 0.05), (0.0, 0.0, 1.0))
        lens = pybullet.computeProjectionMatrixFOV(45.0, 320 / 240, 0.05, 3.0)
        _, _, pixels, _, _ = self.client.getCameraImage(320, 240, view, lens, renderer=pybullet.ER_TINY_RENDERER)
        return np.asarray(pixels, np.uint8).reshape(240, 320, 4)[..., :3].copy()

    def close(self) -> None:
        """Free the simulation."""
        self.client.disconnect()
