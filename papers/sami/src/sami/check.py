"""What is asked before a run directory is made: whether a config can be trained and tested on a task here."""

from __future__ import annotations

from pathlib import Path

from mirl.checkpoint import read_latest
from mirl.config import ConfigError, as_dictionary, first_difference
from mirl.drawing import RenderingError
from mirl.folder import read_record
from sami.config import TesacConfig, require_effect, training_tuples
from sami.envs.rendering import surface
from sami.evaluate import settings_to_test

NETWORKS = ("context_size", "context_hidden_size", "hidden_sizes")


def check(task: str, config: TesacConfig) -> None:
    """Raise ConfigError for switches, tuples, an initial run or videos that a training could not use."""
    require_effect(task, config)
    training_tuples(task, config)
    settings_to_test(task, config)
    if config.initial_run:
        check_initial_run(task, config)
    if config.save_video and task != "panda":  # which Bullet draws by itself
        try:
            surface(16, 16).free()
        except RenderingError as error:
            raise ConfigError(f"--save-video: {error}") from None


def check_initial_run(task: str, config: TesacConfig) -> None:
    """Raise ConfigError unless the initial run has a checkpoint of the same task and the same networks."""
    directory = Path(config.initial_run)
    record = read_record(directory)
    if record is None or read_latest(directory) is None:
        raise ConfigError(f"--initial-run {directory} is not a run directory with a checkpoint")
    wanted = {"paper": "sami", "task": task} | {name: as_dictionary(config)[name] for name in NETWORKS}
    known = {"paper": record["paper"], **record["config"]}
    difference = first_difference({name: known.get(name) for name in wanted}, wanted)
    if difference:
        raise ConfigError(f"--initial-run {directory} has {difference}")
