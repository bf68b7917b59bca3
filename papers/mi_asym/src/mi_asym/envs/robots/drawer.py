"""A cabinet with one drawer, built from boxes: a stand-in for the original's model, which is not public (card 4.5).

In the cabinet's own frame the drawer comes out along +x. The handle is a bow: a bar across the front, held at both
ends, behind which closed fingers fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pybullet

from mi_asym.envs.images import Box

WALL = 0.006
"""Metres, of every board."""
CABINET = (
    ((0.0, 0.0, 0.057), (0.05, 0.05, 0.003)),
    ((0.0, -0.047, 0.027), (0.05, 0.003, 0.027)),
    ((0.0, 0.047, 0.027), (0.05, 0.003, 0.027)),
    ((-0.047, 0.0, 0.027), (0.003, 0.044, 0.027)),
)
"""Top, two sides and back: (centre, half extents), metres."""
DRAWER = (
    ((0.053, 0.0, 0.030), (0.003, 0.042, 0.022)),
    ((0.005, 0.0, 0.011), (0.045, 0.040, 0.003)),
    ((0.005, -0.037, 0.026), (0.045, 0.003, 0.012)),
    ((0.005, 0.037, 0.026), (0.045, 0.003, 0.012)),
    ((-0.037, 0.0, 0.026), (0.003, 0.034, 0.012)),
)
"""Front, bottom, two sides and back, when shut."""
HANDLE = (
    ((0.078, -0.051, 0.035), (0.022, 0.003, 0.020)),
    ((0.078, 0.051, 0.035), (0.022, 0.003, 0.020)),
    ((0.105, 0.0, 0.035), (0.005, 0.054, 0.020)),
)
"""Two ends and the bar, when shut."""
HOOK = 0.078
"""Metres from the cabinet's centre to the middle of the gap behind the bar, when shut."""
LONGEST = 0.08
"""Metres the drawer comes out at most."""
RUNNING_FRICTION, LOCK_FORCE = 1.0, 2000.0
"""Newtons that hold an unlocked drawer where it is, and a locked one shut."""


class Drawer:
    """One cabinet and its drawer in a Bullet world."""

    def __init__(self, client: Any) -> None:
        self.client = client
        inner = DRAWER + HANDLE
        self.body = client.createMultiBody(
            baseMass=0.0,
            baseCollisionShapeIndex=compound(client, CABINET),
            baseVisualShapeIndex=look(client, CABINET, (0.7, 0.7, 0.75, 1.0)),
            linkMasses=[0.2],
            linkCollisionShapeIndices=[compound(client, inner)],
            linkVisualShapeIndices=[look(client, inner, (0.85, 0.55, 0.3, 1.0))],
            linkPositions=[(0.0, 0.0, 0.0)],
            linkOrientations=[(0.0, 0.0, 0.0, 1.0)],
            linkInertialFramePositions=[(0.05, 0.0, 0.03)],
            linkInertialFrameOrientations=[(0.0, 0.0, 0.0, 1.0)],
            linkParentIndices=[0],
            linkJointTypes=[pybullet.JOINT_PRISMATIC],
            linkJointAxis=[(1.0, 0.0, 0.0)],
        )
        client.changeDynamics(self.body, 0, jointLowerLimit=0.0, jointUpperLimit=LONGEST, lateralFriction=1.0)
        client.setCollisionFilterPair(self.body, self.body, -1, 0, 0)  # it runs on rails
        self.put(np.zeros(2), 0.0, locked=False)

    def put(self, position: np.ndarray, heading: float, locked: bool) -> None:
        """Stand the cabinet on the floor, shut, opening towards `heading`."""
        self.position, self.heading = np.asarray(position, float), float(heading)
        self.forward = np.array([np.cos(heading), np.sin(heading)])
        turn = pybullet.getQuaternionFromEuler((0.0, 0.0, heading))
        self.client.resetBasePositionAndOrientation(self.body, (*self.position.tolist(), 0.0), turn)
        self.client.resetJointState(self.body, 0, 0.0)
        if locked:
            hold = {"controlMode": pybullet.POSITION_CONTROL, "targetPosition": 0.0, "force": LOCK_FORCE}
        else:
            hold = {"controlMode": pybullet.VELOCITY_CONTROL, "targetVelocity": 0.0, "force": RUNNING_FRICTION}
        self.client.setJointMotorControl2(self.body, 0, **hold)

    def opening(self) -> float:
        """Metres the drawer is out."""
        return float(self.client.getJointState(self.body, 0)[0])

    def hook_point(self) -> np.ndarray:
        """(x, y) of the middle of the gap behind the handle's bar, metres."""
        return self.position + (HOOK + self.opening()) * self.forward

    def boxes(self) -> list[Box]:
        """What is seen from above: the top hides the cabinet's walls."""
        return [*self.placed(CABINET[:1], 0.0), *self.placed(DRAWER + HANDLE, self.opening())]

    def handle_boxes(self) -> list[Box]:
        """The handle alone."""
        return self.placed(HANDLE, self.opening())

    def placed(self, parts: tuple[Any, ...], out: float) -> list[Box]:
        """Boxes of the cabinet's frame in the world, moved `out` metres along the rails."""
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        rotation = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        base, moved = np.array([*self.position, 0.0]), np.array([out, 0.0, 0.0])
        return [Box(base + rotation @ (np.array(centre) + moved), rotation, np.array(half)) for centre, half in parts]


def compound(client: Any, parts: tuple[Any, ...]) -> int:
    """One collision shape of several boxes."""
    return int(
        client.createCollisionShapeArray(
            shapeTypes=[pybullet.GEOM_BOX] * len(parts),
            halfExtents=[half for _, half in parts],
            collisionFramePositions=[centre for centre, _ in parts],
        )
    )


def look(client: Any, parts: tuple[Any, ...], colour: tuple[float, ...]) -> int:
    """The same for the eye."""
    return int(
        client.createVisualShapeArray(
            shapeTypes=[pybullet.GEOM_BOX] * len(parts),
            halfExtents=[half for _, half in parts],
            visualFramePositions=[centre for centre, _ in parts],
            rgbaColors=[colour] * len(parts),
        )
    )
