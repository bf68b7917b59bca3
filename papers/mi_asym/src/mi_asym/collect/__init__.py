"""Stage 1: episodes of random and scripted behaviour, from which stage 2 learns features (card 5.1, 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mi_asym.collect.data import Data, data_file_name, load_data, save_data
from mi_asym.collect.grids import collect_grid_episodes
from mi_asym.collect.robots import CollectionStopped, collect_robot_episodes
from mi_asym.envs import refuse_start, task_spec
from mirl.config import ConfigError

__all__ = ["CollectionStopped", "Data", "collect", "data_file_name", "load_data"]


def collect(
    task: str,
    seed: int,
    episodes: int,
    folder: Path,
    random_episodes: int | None = None,
    aug: bool = False,
    n_aug: int = 1,
    start: str = "carry",
    workers: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Play `episodes` episodes, write them as `folder`/`data_file_name(...)` and return that path.

    The first `random_episodes` act at random (None: all on grids, none on robots), the others are the scripted
    expert's; `aug` adds `n_aug` rotated copies of each of the latter. Robots keep finished episodes, so that the same
    call goes on after a stop; `should_stop` is asked between episodes, and CollectionStopped raised once it says yes.
    `report` hears how many episodes of how many are done. Raises ConfigError for arguments that do not fit the task.
    """
    spec = task_spec(task)
    random = random_episodes if random_episodes is not None else 0 if spec.has_expert else episodes
    refuse(spec.task, spec.has_expert, episodes, random, aug, n_aug)
    refuse_start(spec.task, start)
    path = folder / data_file_name(spec.task, seed, episodes, aug, n_aug)
    folder.mkdir(parents=True, exist_ok=True)
    if spec.has_expert:
        copies = n_aug if aug else 0
        collect_robot_episodes(path, spec.task, seed, episodes, random, copies, workers, should_stop, report)
    else:
        save_data(path, collect_grid_episodes(spec.task, seed, episodes, start, report))
    return path


def refuse(task: str, has_expert: bool, episodes: int, random_episodes: int, aug: bool, n_aug: int) -> None:
    """Raise ConfigError for arguments that do not fit together or the task."""
    if episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {episodes}")
    if not 0 <= random_episodes <= episodes:
        raise ConfigError(f"--random-episodes must be between 0 and --episodes {episodes}, got {random_episodes}")
    if not has_expert and random_episodes != episodes:
        raise ConfigError(
            f"--random-episodes must equal --episodes {episodes} on {task}, which has no scripted expert, "
            f"got {random_episodes}"
        )
    if aug and not has_expert:
        raise ConfigError(f"--n-aug is for robots only, got task {task}")
    if aug and n_aug < 1:
        raise ConfigError(f"--n-aug must be at least 1, got {n_aug}")
