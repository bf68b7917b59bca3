"""MuMMI's seven tasks as gym 0.17.2 environments: image, depth and touch, each of which may be missing for a while.

Nothing is drawn and no simulator is imported before the first environment is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mummi.envs.tasks import PICTURE_SIZE, SENSORS, TASKS, Task, sizes_of, task_named

if TYPE_CHECKING:
    import gym

    from mummi.backgrounds import Backgrounds
    from mummi.envs.camera import Camera
    from mummi.envs.workers import Workers

__all__ = ["PICTURE_SIZE", "SENSORS", "TASKS", "EnvOptions", "Task", "make_env", "make_envs", "sizes_of", "task_named"]


@dataclass(frozen=True)
class EnvOptions:
    """Choices that hold for every episode of an environment (card 2.6). Raises ValueError, in one line."""

    action_repeat: int = 2
    """Control steps per agent step."""
    time_limit: int = 1000
    """Control steps per episode, action repeat counted; agent steps are this divided by `action_repeat`."""
    natural: bool = True
    """Videos behind the robot, and missing sensors. False: neither, and every flag is 1 (card 4.2)."""
    image_miss_ratio: float = 0.05
    """Chance per observation that a gap of the image starts, in [0, 1]."""
    depth_miss_ratio: float = 0.05
    """The same for depth."""
    touch_miss_ratio: float = 0.05
    """The same for touch."""
    max_miss_len: int = 15
    """Observations of a gap, exclusive: gaps last 1 to 14."""
    precision: Literal[16, 32] = 16
    """Bits of stored floats and integers."""
    fast_rendering: bool = False
    """No shadows and no reflections: other pixels, in a fraction of the time."""
    plain: bool = False
    """Draw image and depth apart after every control step, as the original did: the same pictures, slowly."""

    def __post_init__(self) -> None:
        for name in ("action_repeat", "time_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.time_limit < self.action_repeat:
            raise ValueError(f"time_limit must be at least action_repeat ({self.action_repeat}), got {self.time_limit}")
        for name in (f"{sensor}_miss_ratio" for sensor in SENSORS):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        if self.max_miss_len < 2:
            raise ValueError(f"max_miss_len must be at least 2, got {self.max_miss_len}")
        if self.precision not in (16, 32):
            raise ValueError(f"precision must be 16 or 32, got {self.precision}")
        if self.plain and self.fast_rendering:
            raise ValueError("fast_rendering must be False where plain is True")

    @property
    def miss_ratios(self) -> dict[str, float]:
        """Sensor -> chance that a gap starts."""
        return {sensor: getattr(self, f"{sensor}_miss_ratio") if self.natural else 0.0 for sensor in SENSORS}

    def with_miss_ratio(self, ratio: float) -> EnvOptions:
        """The same options with one ratio for all sensors, as in the robustness test (card 2.4)."""
        return replace(self, image_miss_ratio=ratio, depth_miss_ratio=ratio, touch_miss_ratio=ratio)


def make_env(
    task: str, seed: int, backgrounds: Backgrounds, options: EnvOptions | None = None, worker: int = 0
) -> gym.Env:
    """One environment in the original's order of wrappers (card 4.2), its random numbers keyed by seed and worker.

    Raises ValueError for an unknown task, RenderingError where no drawing library is installed.
    """
    from mummi.envs.camera import Camera, PlainCamera
    from mummi.envs.simulator import Simulator
    from mummi.envs.wrappers import ActionRepeat

    options = options or EnvOptions()
    simulator = Simulator(task_named(task), worker)
    if options.plain:
        return stacked(ActionRepeat(PlainCamera(simulator), options.action_repeat), seed, backgrounds, options)
    camera = Camera(ActionRepeat(simulator, options.action_repeat), options.fast_rendering)
    return stacked(camera, seed, backgrounds, options, camera)


def stacked(
    env: gym.Env, seed: int, backgrounds: Backgrounds, options: EnvOptions, camera: Camera | None = None
) -> gym.Env:
    """The wrappers around a simulator that repeats actions and has pictures, the innermost first."""
    from mummi.envs.missing import MissingSensors
    from mummi.envs.natural import NaturalBackground
    from mummi.envs.wrappers import Collect, NormalizeActions, RewardObservation, TimeLimit

    env = NormalizeActions(env)
    if options.natural:
        env = NaturalBackground(env, backgrounds)
    env = MissingSensors(env, options.miss_ratios, options.max_miss_len, camera)
    env = TimeLimit(env, options.time_limit // options.action_repeat)
    env = RewardObservation(Collect(env, options.precision))
    env.seed(seed)
    return env


def make_envs(
    task: str,
    seed: int,
    backgrounds: Backgrounds,
    options: EnvOptions | None = None,
    envs: int = 1,
    parallel: Literal["none", "thread", "process"] = "none",
) -> Workers:
    """`envs` environments that step together: one after the other, each on a thread, or each in a process."""
    from mummi.envs.workers import Workers

    if envs < 1:
        raise ValueError(f"envs must be at least 1, got {envs}")
    task_named(task)
    return Workers(make_env, [(task, seed, backgrounds, options, worker) for worker in range(envs)], parallel)
