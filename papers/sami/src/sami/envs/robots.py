"""The ten MuJoCo robots: what each one sees and what it is paid for (card 4.2, 4.3).

Functions take arrays with any leading dimensions, so that one environment and many slots share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from sami.envs.episodes import Array

HEALTHY = 1.0
"""Added to every step of the ants, hoppers and walkers."""


class Snapshot(NamedTuple):
    """What observations and rewards read of the simulator, as it leaves it after a control step."""

    position: Array
    """Generalised positions, (..., nq)."""
    velocity: Array
    """Generalised velocities, (..., nv)."""
    torso: Array
    """Torso body position, (..., 3): one substep behind `position` (card 4.2)."""
    rotation: Array
    """Torso rotation matrix, row by row, (..., 9): as `torso`."""


Observe = Callable[[Snapshot, Snapshot, float], Array]
"""(before, after a control step, its seconds) -> observation, float64; at a reset both are the same."""
Noise = Callable[[np.random.Generator, int], Array]
"""(generator, size) -> what is added to the initial positions or velocities."""


@dataclass(frozen=True)
class Robot:
    """One task's robot."""

    model: str
    """gymnasium's model file."""
    frame_skip: int
    """Physics steps per control step."""
    horizon: int
    """Control steps per episode."""
    observe: Observe
    reward: Callable[[Robot, Snapshot, Snapshot, Array, float], Array]
    """(robot, before, after, controls as applied, seconds of a control step) -> reward."""
    position_noise: Noise
    velocity_noise: Noise
    control_cost: float
    """Coefficient of the sum of squared controls."""
    healthy: float = HEALTHY
    """Reward per step for being there."""
    scales: Literal["all", "ant_halves"] = "all"
    """Which masses and dampings a task scales (card 4.3)."""
    crippled: Literal["", "ant", "joints", "walker"] = ""
    """How a crippled joint or leg shows in the model (card 4.3)."""


def uniform(width: float) -> Noise:
    """U(-width, width)."""
    return lambda generator, size: generator.uniform(-width, width, size)


def normal(scale: float) -> Noise:
    """N(0, scale)."""
    return lambda generator, size: scale * generator.standard_normal(size)


def root_speed(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """Mean forward velocity of the root joint over the step, (...)."""
    return (after.position[..., 0] - before.position[..., 0]) / dt


def torso_speed(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """Mean forward velocity of the torso body over the step, (...), with the simulator's lag on both ends."""
    return (after.torso[..., 0] - before.torso[..., 0]) / dt


def squared(controls: Array) -> Array:
    """Sum of squared controls, (...)."""
    total: Array = np.square(controls).sum(-1)
    return total


def observe_cheetah(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """Forward velocity, then the state without x."""
    speed = root_speed(before, after, dt)[..., None]
    return np.concatenate([speed, after.position[..., 1:], after.velocity], axis=-1)


def observe_ant(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """Forward velocity, then the state without x and y."""
    speed = torso_speed(before, after, dt)[..., None]
    return np.concatenate([speed, after.position[..., 2:], after.velocity], axis=-1)


def observe_crippled_ant(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """The whole state, the torso's rotation matrix and position."""
    return np.concatenate([after.position, after.velocity, after.rotation, after.torso], axis=-1)


def observe_hopping(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """The state without x, velocities clipped to 10."""
    return np.concatenate([after.position[..., 1:], np.clip(after.velocity, -10, 10)], axis=-1)


def observe_humanoid(before: Snapshot, after: Snapshot, dt: float) -> Array:
    """The state without x and y."""
    return np.concatenate([after.position[..., 2:], after.velocity], axis=-1)


def reward_cheetah(robot: Robot, before: Snapshot, after: Snapshot, controls: Array, dt: float) -> Array:
    """Forward velocity less the control cost."""
    return root_speed(before, after, dt) - robot.control_cost * squared(controls)


def reward_ant(robot: Robot, before: Snapshot, after: Snapshot, controls: Array, dt: float) -> Array:
    """Torso velocity, control cost, healthy. The contact term of the release is always 0 (card 4.4)."""
    return torso_speed(before, after, dt) - robot.control_cost * squared(controls) + robot.healthy


def reward_hopping(robot: Robot, before: Snapshot, after: Snapshot, controls: Array, dt: float) -> Array:
    """Root velocity, healthy, control cost."""
    return root_speed(before, after, dt) + robot.healthy - robot.control_cost * squared(controls)


def reward_slim_humanoid(robot: Robot, before: Snapshot, after: Snapshot, controls: Array, dt: float) -> Array:
    """Root velocity before the step, control cost, 5 where the root ends between 1 and 2 metres."""
    height = after.position[..., 2]
    upright = 5.0 * ((height >= 1.0) & (height <= 2.0))
    return 0.25 / dt * before.velocity[..., 0] - robot.control_cost * squared(controls) + upright


def reward_standup(robot: Robot, before: Snapshot, after: Snapshot, controls: Array, dt: float) -> Array:
    """Height over a physics step's seconds, control cost, healthy. The impact term is always 0 (card 4.4)."""
    height = after.position[..., 2] / (dt / robot.frame_skip)
    return height - robot.control_cost * squared(controls) + robot.healthy


CHEETAH = Robot("half_cheetah", 5, 1000, observe_cheetah, reward_cheetah, normal(0.001), normal(0.001), 0.1)
ANT = Robot("ant", 5, 1999, observe_ant, reward_ant, uniform(0.1), normal(0.1), 0.01, scales="ant_halves")
HOPPER = Robot("hopper", 4, 2000, observe_hopping, reward_hopping, uniform(0.005), uniform(0.005), 0.1)
WALKER = replace(HOPPER, model="walker2d", control_cost=0.001)
SLIM_HUMANOID = Robot(
    "humanoidstandup", 5, 1000, observe_humanoid, reward_slim_humanoid, uniform(0.01), uniform(0.01), 0.1
)
ROBOTS = {
    "ant": ANT,
    "crippled_ant": replace(ANT, horizon=2000, observe=observe_crippled_ant, scales="all", crippled="ant"),
    "halfcheetah": CHEETAH,
    "crippled_halfcheetah": replace(CHEETAH, crippled="joints"),
    "hopper": HOPPER,
    "crippled_hopper": replace(HOPPER, horizon=1000, control_cost=0.001, crippled="joints"),
    "walker": WALKER,
    "crippled_walker": replace(WALKER, crippled="walker"),
    "slim_humanoid": SLIM_HUMANOID,
    "humanoid_standup": replace(SLIM_HUMANOID, horizon=2000, reward=reward_standup),
}
"""Task -> robot, as in the release's last code (card 4.2)."""
LEGACY: dict[str, dict[str, float]] = {
    "ant": {"control_cost": 0.005, "healthy": 0.05},
    "crippled_ant": {"control_cost": 0.0, "healthy": 0.05, "horizon": 3000},
    "hopper": {"control_cost": 0.001},
}
"""What was otherwise before 28 July 2024 (card 4.3)."""


def robot_of(task: str, reward_version: str = "final") -> Robot:
    """The robot of a MuJoCo task."""
    robot = ROBOTS[task]
    return replace(robot, **LEGACY.get(task, {})) if reward_version == "legacy" else robot  # type: ignore[arg-type]
