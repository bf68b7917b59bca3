"""The data file of stage 1 (card 6.1)."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mi_asym.envs import HORIZON
from mirl.config import ConfigError
from mirl.files import naming

NAMES = ("obss", "states", "actions", "masks", "rewards")
CHECK_EPISODES = 64
"""Episodes looked at together when a file is checked: robots' files are larger than memory may be."""


@dataclass(frozen=True)
class Data:
    """N zero-padded episodes. Robots keep pictures as float16, which loses nothing: their depth is float16."""

    obss: Tensor
    """(N, 50, O): what was seen before each action."""
    states: Tensor
    """(N, 50, S): the true state then."""
    actions: Tensor
    """(N, 50), or (N, 50, 5) for robots; float32."""
    masks: Tensor
    """(N, 50): 1 where a step was taken; float32."""
    rewards: Tensor
    """(N, 50): what that step paid; float32."""

    @property
    def num_episodes(self) -> int:
        """N."""
        return len(self.masks)


def data_file_name(task: str, seed: int, episodes: int, aug: bool = False, n_aug: int = 1) -> str:
    """`heaven_hell_s42_3000ep.data`; with `_aug_<n_aug>` where there are rotated copies."""
    return f"{task}_s{seed}_{episodes}ep{f'_aug_{n_aug}' if aug else ''}.data"


def save_data(path: Path, data: Data) -> None:
    """Write the file whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    with naming(path):
        torch.save({name: getattr(data, name) for name in NAMES}, draft)
        draft.replace(path)


def load_data(path: Path) -> Data:
    """Read a data file, ours or the original's; nothing in it is executed and pictures stay on disk until used.

    Raises ConfigError, naming the file and what is wrong with it, for anything that card 6.1 does not allow.
    """
    if not path.is_file():
        raise ConfigError(f"there is no data file {path}; stage 1 (collect) makes it")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError):
        raise ConfigError(f"{path} is not a data file that can be read safely; collect it again") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a dictionary of tensors, got {type(content).__name__}")
    for name in NAMES:
        if not (isinstance(content.get(name), Tensor) and content[name].is_floating_point()):
            raise ConfigError(f"{path} must hold a tensor of floats named {name}")
    data = Data(**{name: content[name] for name in NAMES})
    check(path, data)
    return data


def check(path: Path, data: Data) -> None:
    """Raise ConfigError unless shapes agree and observations and states lie in [-1, 1]."""
    leading = tuple(data.masks.shape)
    if len(leading) != 2 or leading[1] != HORIZON or not leading[0]:
        raise ConfigError(f"{path}: masks must be (episodes, {HORIZON}), got {leading}")
    for name in NAMES:
        if tuple(getattr(data, name).shape[:2]) != leading:
            raise ConfigError(f"{path}: {name} must begin with {leading}, got {tuple(getattr(data, name).shape)}")
    for name in ("obss", "states"):
        if getattr(data, name).dim() != 3:
            raise ConfigError(f"{path}: {name} must have three dimensions, got {getattr(data, name).dim()}")
    for name in NAMES:
        for chunk in getattr(data, name).split(CHECK_EPISODES):
            if not bool(chunk.isfinite().all()):
                raise ConfigError(f"{path}: {name} holds numbers that are not finite")
            if name in ("obss", "states") and not bool((chunk.abs() <= 1.0).all()):
                raise ConfigError(f"{path}: {name} must lie in [-1, 1], got {float(chunk.abs().max()):.4g}")
