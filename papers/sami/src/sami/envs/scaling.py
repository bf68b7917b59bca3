"""What a task changes in a robot: masses, dampings, crippled joints and legs (card 4.1, 4.3).

Derived constants (inertias, inverse weights, bounding radii) stay those of the unchanged model, as in the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sami.envs.episodes import Array, Context, Options
from sami.envs.robots import Robot
from sami.envs.simulator import mujoco
from sami.settings import NONE, ONE, THREE, TWO, TaskTuple

DRAWN_JOINTS = {ONE: 1, TWO: 2, NONE: 0, THREE: 3}
"""Crippling mode -> number of joints or legs that are drawn."""
ANT_ACTUATORS = {0: (2, 3), 1: (4, 5), 2: (6, 7), 3: (0, 1)}
"""Leg -> its hip and ankle actuators."""
ANT_GEOMS = {0: (3, 4), 1: (6, 7), 2: (9, 10), 3: (12, 13)}
"""Leg -> its upper and lower geom."""
WALKER_MOVES = {0: ((3, 2), (4, 3)), 1: ((4, 3),), 2: ((4, 3),), 3: ((6, 5), (7, 6)), 4: ((7, 6),), 5: ((7, 6),)}
"""Joint -> (geom, geom whose position it takes), in order."""
RED = (1.0, 0.0, 0.0, 1.0)
EDITED = ("body_mass", "dof_damping", "geom_size", "geom_pos", "geom_rgba")
"""The model's fields that a task changes."""


class Body(NamedTuple):
    """The fields of a model that a task changes; views into one model, or one simulation of a batch."""

    body_mass: Array
    dof_damping: Array
    geom_size: Array
    geom_pos: Array
    geom_rgba: np.ndarray


class Start(NamedTuple):
    """How an episode starts."""

    position_noise: Array
    velocity_noise: Array
    context: Context


def draw_start(
    robot: Robot, task: TaskTuple, options: Options, sizes: tuple[int, int], generator: np.random.Generator
) -> Start:
    """Initial noise for (nq, nv) numbers, then what the tuple's lists give, each uniformly and on its own."""
    noise = robot.position_noise(generator, sizes[0]), robot.velocity_noise(generator, sizes[1])
    if not robot.crippled:
        masses, dampings = task
        return Start(*noise, {"mass": choice(generator, masses), "damping": choice(generator, dampings)})
    joints, modes, masses = task
    mode = int(choice(generator, modes))
    drawn = generator.choice(sorted(set(joints)), size=DRAWN_JOINTS[mode], replace=False) if DRAWN_JOINTS[mode] else ()
    context: Context = {
        "crippled": tuple(int(joint) for joint in drawn),
        "mode": mode,
        "mass": choice(generator, masses),
    }
    if options.vary_damping:
        context["damping"] = choice(generator, masses)
    return Start(*noise, context)


def choice(generator: np.random.Generator, values: Sequence[float]) -> float:
    """One of the values, uniformly."""
    return values[int(generator.integers(len(values)))]


def body_of(model: mujoco.MjModel) -> Body:
    """Views into a model of one's own."""
    return Body(*(getattr(model, name) for name in EDITED))


def copy_of(body: Body) -> Body:
    """Copies, to scale from."""
    return Body(*(np.array(field) for field in body))


def apply_context(robot: Robot, body: Body, original: Body, context: Context) -> None:
    """Write an episode's masses, dampings and crippled geometry into `body`, from the unchanged `original`."""
    for field, unchanged in zip(body, original, strict=True):
        field[:] = unchanged
    mass, damping = context["mass"], context.get("damping", 1.0)
    if robot.scales == "ant_halves":
        body.body_mass[2:8] *= mass
        body.body_mass[8:14] *= 1 / mass
        body.dof_damping[6:8] *= damping
        body.dof_damping[8:14] *= 1 / damping
    else:
        body.body_mass[:] *= mass
        body.dof_damping[:] *= damping
    for joint in context.get("crippled", ()):
        cripple_geometry(robot, body, joint)


def cripple_geometry(robot: Robot, body: Body, joint: int) -> None:
    """Paint a crippled joint or leg red; the ant's and the walker's also shrink. Inertia stays."""
    if robot.crippled == "ant":
        upper, lower = ANT_GEOMS[joint]
        body.geom_size[[upper, lower], :2] *= 0.5
        body.geom_pos[lower] = body.geom_pos[upper]
        body.geom_rgba[[upper, lower]] = RED
        return
    geom = joint + (3 if robot.model == "half_cheetah" else 2)
    body.geom_rgba[geom] = RED
    if robot.crippled == "walker":
        body.geom_size[geom, :2] *= 0.5
        for moved, place in WALKER_MOVES[joint]:
            body.geom_pos[moved] = body.geom_pos[place]


def actuator_mask(robot: Robot, actuators: int, context: Context, options: Options) -> Array:
    """(actuators,) of 0 and 1, applied to controls before the simulator and the control cost."""
    mask = np.ones(actuators)
    if context.get("mode") == THREE and not options.mask_leg:
        return mask
    for joint in context.get("crippled", ()):
        mask[list(ANT_ACTUATORS[joint]) if robot.crippled == "ant" else joint] = 0.0
    return mask
