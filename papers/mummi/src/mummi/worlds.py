"""The environments that a config asks for, for training and for evaluation (card 4.2, 4.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from mirl.config import ConfigError
from mirl.drawing import drawing_library
from mummi.backgrounds import Backgrounds, Split, load_backgrounds
from mummi.config import Config
from mummi.envs import EnvOptions, make_envs
from mummi.envs.workers import Workers
from mummi.streams import derived_seed

ROOM = Path(__file__).parents[2]
"""The paper's folder, where videos are looked for unless a config names another."""


@dataclass(frozen=True)
class Worlds:
    """Environments of one run, and which videos are behind the scene."""

    train: Workers
    test: Workers
    """One environment with validation videos and the training's missing ratios."""
    videos: Mapping[str, Any]
    """What tells the videos behind the scene from others: see `identity_of`."""

    def close(self) -> None:
        self.train.close()
        self.test.close()


def options_of(config: Config, ratio: float | None = None) -> EnvOptions:
    """How environments behave; `ratio` replaces every missing ratio, as in the robustness test."""
    ratios = config.miss_ratios
    options = EnvOptions(
        action_repeat=config.action_repeat, time_limit=config.time_limit, natural=config.natural,
        image_miss_ratio=ratios["image"], depth_miss_ratio=ratios["depth"], touch_miss_ratio=ratios["touch"],
        max_miss_len=config.max_miss_len, precision=config.replay_precision, fast_rendering=config.fast_rendering,
    )  # fmt: skip
    return options if ratio is None else options.with_miss_ratio(ratio)


@contextmanager
def open_worlds(task: str, seed: int, config: Config) -> Iterator[Worlds]:
    """Training and evaluation environments; raises ConfigError where videos cannot be read or nothing can be drawn."""
    with one_line_errors():
        worlds = Worlds(
            make_workers(task, derived_seed(seed, "train"), config, "train"),
            make_workers(task, derived_seed(seed, "evaluate"), config, "valid"),
            identity_of(config),
        )
    try:
        yield worlds
    finally:
        worlds.close()


@contextmanager
def open_test_world(task: str, seed: int, config: Config, ratio: float) -> Iterator[Workers]:
    """One evaluation environment with one missing ratio for all sensors."""
    with one_line_errors():
        workers = make_workers(task, seed, config, "valid", ratio)
    try:
        yield workers
    finally:
        workers.close()


def make_workers(task: str, seed: int, config: Config, split: Split, ratio: float | None = None) -> Workers:
    """Environments with the videos of a split: the config's number for training, one for evaluation."""
    envs, parallel = (config.envs, config.parallel) if split == "train" else (1, "none")
    return make_envs(task, seed, backgrounds_of(config, split), options_of(config, ratio), envs, parallel)


def backgrounds_of(config: Config, split: Split) -> Backgrounds:
    """The videos of a split; a quarter as many procedural ones for evaluation as for training."""
    videos = config.background_videos if split == "train" else max(1, config.background_videos // 4)
    folder = ROOM if config.backgrounds is None else Path(config.backgrounds)
    return load_once(split, folder, videos, config.background_frames)


@lru_cache
def load_once(split: Split, folder: Path, videos: int, frames: int) -> Backgrounds:
    """Videos may take gigabytes, and several environments see the same ones."""
    return load_backgrounds(split, folder, videos, frames)


def check(config: Config) -> None:
    """Raises ConfigError where the videos that a config names cannot be used, or nothing can be drawn here."""
    with one_line_errors():
        drawing_library()
        for split in get_args(Split):
            backgrounds_of(config, split)


def source_of(config: Config) -> str:
    """Where the videos behind the scene come from: natural_train.pkl, own videos, procedural, or none."""
    return backgrounds_of(config, "train").source if config.natural else "none"


def identity_of(config: Config) -> dict[str, Any]:
    """The videos' source; of each split, how many of how many frames there are, and their file's sha256, if any."""
    identity: dict[str, Any] = {"source": source_of(config)}
    if config.natural:
        for split in get_args(Split):
            videos = backgrounds_of(config, split)
            identity |= {f"{split}_{name}": getattr(videos, name) for name in ("videos", "frames", "sha256")}
    return identity


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A ValueError of environments and videos says in one line what is wrong with what was asked for."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from None
