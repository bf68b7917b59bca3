"""One frozen dataclass a method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mirl.config import require

DIMENSIONS = {"line": 1, "plane": 2}
"""Task -> coordinates of the walker."""


@dataclass(frozen=True)
class WalkConfig:
    """A random walk that keeps the steps that bring it nearer."""

    total_env_steps: int = 1000
    """Environment steps of training."""
    threads: int = 1
    """CPU threads."""
    dimensions: int = 1
    """Coordinates of the walker."""
    steps_per_update: int = 20
    """Environment steps between updates, which log and save."""
    step_size: float = 0.1
    """Standard deviation of a step, positive."""
    log_every: int = 20
    """Environment steps between rows."""
    evaluate_every: int = 100
    """Environment steps between evaluations."""
    save_from: int = 0
    """No checkpoint is written before this env step, unless a signal asks for one."""
    seconds_per_step: float = 0.0
    """Idle time a step, so that tests can interrupt it."""
    nan_at: int = 0
    """The loss is NaN from this env step on; 0: never."""
    crash_at: int = 0
    """An exception is raised at this env step; 0: never."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "dimensions", "steps_per_update"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require(self.step_size > 0, "step_size", self.step_size, "positive")


@dataclass(frozen=True)
class DriftConfig(WalkConfig):
    """A walk that is drawn to the origin."""

    drift: float = 0.01
    """Share of the way to the origin that a step covers, in [0, 1)."""
    form: Literal["straight", "winding"] = "straight"
    """`straight`: every step is drawn. `winding`: every other one."""
    bounds: tuple[float, ...] = (-5.0, 5.0)
    """Least and greatest coordinate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.drift < 1, "drift", self.drift, "in [0, 1)")
        require(len(self.bounds) == 2, "bounds", list(self.bounds), "two numbers")


CONFIGS = {"random_walk": WalkConfig, "drift": DriftConfig}


def configure(task: str, method: str, fidelity: str) -> WalkConfig:
    """The defaults of a method on a task; `fixed` steps further."""
    config = replace(CONFIGS[method](), dimensions=DIMENSIONS[task])
    return replace(config, step_size=0.2) if fidelity == "fixed" else config
