"""MiniGrid twice: many environments as integer arrays (fast), and gym-minigrid itself (the oracle).

Importing this package costs nothing; numba comes with the first batch, gym with the first oracle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amigo.envs.tasks import NUM_ACTIONS, TASKS, Task, find_task

if TYPE_CHECKING:
    from amigo.envs.batch import BatchedMiniGrid

__all__ = ["NUM_ACTIONS", "TASKS", "BatchedMiniGrid", "Task", "find_task", "make_batch"]


def __getattr__(name: str) -> Any:
    """`BatchedMiniGrid`, imported when first asked for."""
    if name == "BatchedMiniGrid":
        from amigo.envs.batch import BatchedMiniGrid

        return BatchedMiniGrid
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def make_batch(task: str | Task, num_envs: int, seed: int, **settings: Any) -> BatchedMiniGrid:
    """`num_envs` environments of a task in lock-step; the settings are those of `BatchedMiniGrid`.

    `task` is a Task or its name, with or without MiniGrid-…-v0; an unknown one raises mirl.config.ConfigError.
    """
    from amigo.envs.batch import BatchedMiniGrid

    return BatchedMiniGrid(find_task(task) if isinstance(task, str) else task, num_envs, seed, **settings)
