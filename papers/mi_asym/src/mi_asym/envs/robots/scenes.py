"""The three tables of look-alikes: what stands on them, what counts as success, and what a gripper must do.

Sizes, masses and the drawing of positions are the card's (4.5). What it leaves open is ours: friction, the drawers'
construction (the original's model is not public), and how far apart blocks and goal are at least.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pybullet

from mi_asym.envs.images import Box
from mi_asym.envs.robots.arm import HOME, TOUCHING, WORKSPACE_HIGH, WORKSPACE_LOW
from mi_asym.envs.robots.drawer import Drawer

FRICTION = 0.7
"""Of floor and blocks each; Bullet multiplies them."""
CONTACT_DISTANCE = 0.08
"""Metres from a block's centre to the point from which it is pulled (card 4.5)."""
PULL = 0.12
"""Metres that the tool goes to open a drawer."""
HIGH, LOW = 0.1, 0.03
"""Metres of the tool before contact and in contact (card 4.5)."""
OUT_OF_REACH = 0.1
"""Metres outside the workspace from which on an object is lost and the episode over."""


class Waypoint(NamedTuple):
    """A pose the expert goes to in a straight line."""

    position: np.ndarray
    """(3,), metres, in the workspace."""
    yaw: float
    """Radians; half a turn does not matter."""


class Scene(Protocol):
    """What stands on the table. Of the two objects the first cannot move and the second can, alike as they look."""

    seeking_decisions: ClassVar[int]
    """How many decisions an information-seeking expert spends on the object that cannot move (card 4.5)."""
    lifts: ClassVar[bool]
    """Whether it lifts the tool between the two, or stays still."""
    grip: ClassVar[float]
    """The expert's gripper command, the same at all its steps: -1 closed to 1 open."""

    def place(self, draws: np.random.Generator) -> None:
        """Arrange a new episode."""

    def boxes(self) -> list[Box]:
        """Everything on the floor, seen from above."""

    def movable_boxes(self) -> list[Box]:
        """What the state's mask shows."""

    def goal(self) -> np.ndarray | None:
        """(x, y) of the goal area's centre, where the task has one."""

    def graspable(self) -> list[tuple[int, int]]:
        """(body, link) of everything a gripper can hold."""

    def success(self) -> bool:
        """Whether the task is done."""

    def is_valid(self) -> bool:
        """False once the simulation has gone astray."""

    def plan(self, movable: bool) -> list[Waypoint]:
        """The expert's way to pull or push one of the two objects."""


class Blocks:
    """Two boxes on the floor."""

    half_extents: ClassVar[np.ndarray]
    mass: ClassVar[float]

    def __init__(self, client: Any) -> None:
        self.client = client
        shape = client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=self.half_extents.tolist())
        look = client.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=self.half_extents.tolist(), rgbaColor=(0.85, 0.55, 0.3, 1)
        )
        self.fixed, self.movable = (client.createMultiBody(mass, shape, look) for mass in (0.0, self.mass))
        for body in (self.fixed, self.movable):
            client.changeDynamics(body, -1, lateralFriction=FRICTION)

    def put(self, body: int, position: np.ndarray, yaw: float) -> None:
        """Lay a block on the floor, at rest."""
        place = (*position.tolist(), float(self.half_extents[2]))
        self.client.resetBasePositionAndOrientation(body, place, pybullet.getQuaternionFromEuler((0.0, 0.0, yaw)))
        self.client.resetBaseVelocity(body, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))

    def centre(self, body: int) -> np.ndarray:
        """(3,), metres."""
        return np.array(self.client.getBasePositionAndOrientation(body)[0])

    def box(self, body: int) -> Box:
        """A block as the camera sees it."""
        position, quaternion = self.client.getBasePositionAndOrientation(body)
        rotation = np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
        return Box(np.array(position), rotation, self.half_extents)

    def boxes(self) -> list[Box]:
        """Both blocks."""
        return [self.box(self.fixed), self.box(self.movable)]

    def movable_boxes(self) -> list[Box]:
        """The block that can move."""
        return [self.box(self.movable)]

    def graspable(self) -> list[tuple[int, int]]:
        """Both blocks."""
        return [(self.fixed, -1), (self.movable, -1)]

    def is_valid(self) -> bool:
        """Whether the movable block is still about."""
        centre = self.centre(self.movable)
        low, high = WORKSPACE_LOW - OUT_OF_REACH, WORKSPACE_HIGH + OUT_OF_REACH
        return bool(np.isfinite(centre).all() and (centre >= low).all() and (centre <= high).all())

    def line_to(self, body: int, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of a block's centre, metres, and the direction from there to `end`."""
        centre = self.centre(body)[:2]
        return centre, (end - centre) / np.linalg.norm(end - centre)


def straight_plan(start: np.ndarray, end: np.ndarray, yaw: float) -> list[Waypoint]:
    """Come down at `start` and go to `end` in a straight line; (x, y) each."""
    points = (*start, HIGH), (*start, LOW), (*end, LOW)
    return [Waypoint(np.clip(point, WORKSPACE_LOW, WORKSPACE_HIGH), yaw) for point in points]


class BlockPullingScene(Blocks):
    """Two flat blocks; one of them must be drawn against the other."""

    half_extents = np.array([0.05, 0.05, 0.025])
    mass = 0.5
    margin, apart = 0.17 / 2, 0.17
    seeking_decisions: ClassVar[int] = 11
    lifts: ClassVar[bool] = True
    grip: ClassVar[float] = 1.0

    def place(self, draws: np.random.Generator) -> None:
        """A common x, y at least 0.17 m apart, any yaw."""
        low, high = WORKSPACE_LOW[:2] + self.margin, WORKSPACE_HIGH[:2] - self.margin
        x = draws.uniform(low[0], high[0])
        while True:
            ys = draws.uniform(low[1], high[1], size=2)
            if abs(ys[0] - ys[1]) > self.apart:
                break
        for body, y in zip((self.fixed, self.movable), ys, strict=True):
            self.put(body, np.array([x, y]), draws.uniform(-np.pi / 2, np.pi / 2))

    def goal(self) -> None:
        """None: the other block is the goal."""

    def success(self) -> bool:
        """Whether the blocks touch."""
        return len(self.client.getClosestPoints(self.fixed, self.movable, TOUCHING)) > 0

    def plan(self, movable: bool) -> list[Waypoint]:
        """Come down behind a block, seen from the other, and draw it there, the gripper across the line."""
        mine, other = (self.movable, self.fixed) if movable else (self.fixed, self.movable)
        end = self.centre(other)[:2]
        centre, direction = self.line_to(mine, end)
        yaw = float(np.arctan2(direction[0], -direction[1]))
        return straight_plan(centre - CONTACT_DISTANCE * direction, end, yaw)


class BlockPushingScene(Blocks):
    """Two cubes and a goal area; one of the cubes must be pushed there."""

    half_extents = np.array([0.025, 0.025, 0.025])
    mass = 0.02
    goal_side, goal_distance = 0.09, 0.05
    margin = 0.085
    """Metres from the workspace's border to cubes and goal: behind each cube there is room for the tool. Ours."""
    apart = 0.1
    """Metres between any two of cubes and goal. Ours; card 4.5 gives the detour below only."""
    seeking_decisions: ClassVar[int] = 9
    lifts: ClassVar[bool] = False
    grip: ClassVar[float] = 1.0

    def place(self, draws: np.random.Generator) -> None:
        """Cubes and goal anywhere, until the fixed cube is not in the way."""
        low, high = WORKSPACE_LOW[:2] + self.margin, WORKSPACE_HIGH[:2] - self.margin
        while True:
            fixed, movable, goal = draws.uniform(low, high, size=(3, 2))
            to_goal, between, way = (
                float(np.linalg.norm(difference)) for difference in (fixed - goal, fixed - movable, movable - goal)
            )
            if min(to_goal, between, way) > self.apart and to_goal + between - way > 0.1:
                break
        self.area: np.ndarray = goal
        self.put(self.fixed, fixed, draws.uniform(-np.pi / 2, np.pi / 2))
        self.put(self.movable, movable, draws.uniform(-np.pi / 2, np.pi / 2))

    def goal(self) -> np.ndarray:
        """(x, y) of the area's centre."""
        return self.area

    def success(self) -> bool:
        """Whether the cube's centre is within 0.05 m of the goal's."""
        return bool(np.linalg.norm(self.centre(self.movable)[:2] - self.area) < self.goal_distance)

    def plan(self, movable: bool) -> list[Waypoint]:
        """Come down around a cube, one open finger before it and one behind, and push it to the goal.

        Across the line, as in pulling, the open fingers of this model stand 8 cm apart and a cube passes between them.
        """
        centre, direction = self.line_to(self.movable if movable else self.fixed, self.area)
        return straight_plan(centre, self.area, float(np.arctan2(direction[1], direction[0])))


class DrawerOpeningScene:
    """Two drawers side by side, one of them locked; the other must be opened."""

    spacing = 0.12
    opened = 0.05
    """Metres of the joint that count as open (card 4.5)."""
    seeking_decisions: ClassVar[int] = 9
    lifts: ClassVar[bool] = True
    grip: ClassVar[float] = -1.0

    def __init__(self, client: Any) -> None:
        self.drawers = (Drawer(client), Drawer(client))
        self.unlocked = 0

    def place(self, draws: np.random.Generator) -> None:
        """Side by side, in any direction, behind the workspace's centre; which is locked is a fair coin."""
        heading = draws.uniform(0.0, 2 * np.pi)
        along, across = draws.uniform(0.15, 0.2), draws.uniform(-0.1, 0.1)
        self.unlocked = int(draws.integers(2))
        forward = np.array([np.cos(heading), np.sin(heading)])
        lateral = np.array([-forward[1], forward[0]])
        for number, drawer in enumerate(self.drawers):
            side = across + (number - 0.5) * self.spacing
            drawer.put(HOME[:2] - along * forward + side * lateral, heading, locked=number != self.unlocked)

    def boxes(self) -> list[Box]:
        """Both drawers."""
        return [box for drawer in self.drawers for box in drawer.boxes()]

    def movable_boxes(self) -> list[Box]:
        """The handle of the unlocked drawer."""
        return self.drawers[self.unlocked].handle_boxes()

    def goal(self) -> None:
        """None."""

    def graspable(self) -> list[tuple[int, int]]:
        """Both drawers; their handles are all a gripper reaches."""
        return [(drawer.body, 0) for drawer in self.drawers]

    def success(self) -> bool:
        """Whether the unlocked drawer is open."""
        return self.drawers[self.unlocked].opening() > self.opened

    def is_valid(self) -> bool:
        """Whether both drawers are on their rails."""
        return all(np.isfinite(drawer.opening()) for drawer in self.drawers)

    def plan(self, movable: bool) -> list[Waypoint]:
        """Down behind the handle's bar with closed fingers, and pull."""
        drawer = self.drawers[self.unlocked if movable else 1 - self.unlocked]
        hook = drawer.hook_point()
        return straight_plan(hook, hook + PULL * drawer.forward, drawer.heading + np.pi / 2)
