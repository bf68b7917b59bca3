"""Table wiping: an arm presses an eraser on a dirty table.

A stand-in of our own. Nothing public describes the robot, the sensors or the reward of the paper's task (card 4.9), so
no number here can be compared with the paper's. Modalities, missing sensors and time limit are the other tasks'.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import SubElement, parse, tostring

import numpy as np
from dm_control import mujoco
from dm_control.rl import control
from dm_control.suite import base
from dm_env import specs
from numpy.typing import NDArray

TIME_LIMIT = 20.0
"""Seconds; 1000 control steps, as in the other tasks."""
CONTROL_TIMESTEP = 0.02
MARKERS = 80
"""Spots of dirt."""
MARKER_SIZE = 0.009
"""Half an edge of a spot, metres."""
DIRTY = np.array([[0.28, -0.22], [0.56, 0.22]])
"""Lowest and highest x and y of dirt, metres."""
REACH = np.array([[0.26, -0.26, -0.02], [0.6, 0.26, 0.15]])
"""Lowest and highest target of the eraser's underside; below 0 it presses."""
SPEED = 0.01
"""Metres by which the target moves along each axis in a control step, at most."""
ERASER = np.array([0.03, 0.045])
"""Half the eraser's length and width, metres."""
UPPER_ARM = FOREARM = 0.35
SHOULDER_HEIGHT, TOOL_LENGTH = 0.25, 0.1
LIGHT, HEAVY = 2.0, 30.0
"""Newtons on the eraser: from here it wipes, from here it presses too hard."""
WIPED, TOUCHING, TOO_HARD = 10.0, 0.1, 0.2
"""Reward of a spot wiped away, of touching for a control step, and the price of pressing with twice HEAVY."""


def environment(random: np.random.RandomState | int | None = None) -> control.Environment:
    """The task in dm_control's form."""
    scene = parse(Path(__file__).with_suffix(".xml")).getroot()
    world = next(scene.iter("worldbody"))
    spot = {"type": "box", "size": f"{MARKER_SIZE} {MARKER_SIZE} .0005", "rgba": ".95 .85 .3 1", "group": "0"}
    for number in range(MARKERS):  # a site compiled at the very origin would stay there
        SubElement(world, "site", {"name": f"dirt_{number}", "pos": ".4 0 .0005", **spot})
    physics = Physics.from_xml_string(tostring(scene, encoding="unicode"))
    return control.Environment(physics, Wiping(random), time_limit=TIME_LIMIT, control_timestep=CONTROL_TIMESTEP)


class Physics(mujoco.Physics):  # type: ignore[misc]
    """What the task asks of the simulation."""

    def pressure(self) -> float:
        """Newtons between eraser and table."""
        return float(self.named.data.sensordata["pressure"][0])

    def wrist(self) -> NDArray[np.float64]:
        """(6,): force (newtons) and torque (newton metres) between hand and tool, in the tool's frame."""
        sensors = self.named.data.sensordata
        return np.concatenate([sensors["wrist_force"], sensors["wrist_torque"]])

    def under_eraser(self) -> NDArray[np.bool_]:
        """(MARKERS,): whether the spot's middle is under the eraser."""
        offset = self.data.site_xpos[self.dirt()] - self.named.data.geom_xpos["eraser"]
        turned = offset @ self.named.data.geom_xmat["eraser"].reshape(3, 3)
        inside: NDArray[np.bool_] = (np.abs(turned[:, :2]) <= ERASER).all(axis=1)
        return inside

    def dirty(self) -> NDArray[np.bool_]:
        """(MARKERS,): whether the spot is still there."""
        visible: NDArray[np.bool_] = self.model.site_rgba[self.dirt(), 3] > 0
        return visible

    def dirt(self) -> slice:
        """The sites that are spots; they were added first to the world's body."""
        first = self.model.name2id("dirt_0", "site")
        return slice(first, first + MARKERS)


class Wiping(base.Task):  # type: ignore[misc]
    """Wipe away all dirt without pressing too hard."""

    def initialize_episode(self, physics: Physics) -> None:
        """Dirt everywhere, the eraser above some place."""
        dirt = physics.dirt()
        physics.model.site_pos[dirt, :2] = self.random.uniform(*DIRTY, (MARKERS, 2))
        physics.model.site_pos[dirt, 2] = 0.0005
        physics.model.site_rgba[dirt, 3] = 1
        self.target = np.append(self.random.uniform(*REACH[:, :2]), 0.1)
        physics.data.qpos[:] = physics.data.ctrl[:] = joints_at(self.target)
        self.newly_wiped = 0
        super().initialize_episode(physics)

    def action_spec(self, physics: Physics) -> specs.BoundedArray:
        """How the eraser's target moves along x, y and z."""
        return specs.BoundedArray((3,), np.float64, -1.0, 1.0, name="target_step")

    def before_step(self, action: NDArray[np.floating[Any]], physics: Physics) -> None:
        """Move the target, within reach, and the joints' servos with it."""
        self.target = np.clip(self.target + SPEED * np.clip(action, -1, 1), *REACH)
        physics.set_control(joints_at(self.target))

    def after_step(self, physics: Physics) -> None:
        """What the pressed eraser covers is clean."""
        wiped = physics.dirty() & physics.under_eraser() & (physics.pressure() >= LIGHT)
        physics.model.site_rgba[physics.dirt(), 3] = np.where(wiped, 0, physics.model.site_rgba[physics.dirt(), 3])
        self.newly_wiped = int(wiped.sum())
        super().after_step(physics)

    def get_observation(self, physics: Physics) -> OrderedDict[str, NDArray[Any]]:
        """Joints, what is left to do, and in the place of touch the wrist's force and torque."""
        return OrderedDict(
            position=physics.position(),
            velocity=physics.velocity(),
            target=self.target.copy(),
            dirt=np.float64(physics.dirty().mean()),
            touch=physics.wrist(),
        )

    def get_reward(self, physics: Physics) -> float:
        """Spots wiped in this step, a little for touching, minus what is pressed too hard."""
        pressure = physics.pressure()
        excess = np.clip((pressure - HEAVY) / HEAVY, 0, 1)
        return float(WIPED * self.newly_wiped + TOUCHING * (pressure >= LIGHT) - TOO_HARD * excess)


def joints_at(target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yaw, shoulder, elbow and wrist (radians) that bring the middle of the eraser's underside to `target`, held flat.

    `target`: (3,) metres, within reach. The elbow points up.
    """
    forward, up = np.hypot(*target[:2]), target[2] + TOOL_LENGTH - SHOULDER_HEIGHT
    distance = np.hypot(forward, up)
    inner = np.arccos((distance**2 + UPPER_ARM**2 - FOREARM**2) / (2 * distance * UPPER_ARM))
    bend = np.arccos((UPPER_ARM**2 + FOREARM**2 - distance**2) / (2 * UPPER_ARM * FOREARM))
    shoulder, elbow = np.arctan2(up, forward) + inner, bend - np.pi
    return np.array([np.arctan2(target[1], target[0]), shoulder, elbow, -shoulder - elbow])
