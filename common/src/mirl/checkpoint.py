"""Checkpoints that are whole or absent: each in a folder of its own, with one small file that names the newest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mirl.config import ConfigError
from mirl.files import naming, read_json, sha256, sync, write_json

MEND = "start again with --overwrite, which keeps the old folder aside"


class Loadable(Protocol):
    """What a checkpoint, or a part of it, is read into."""

    def load(self, folder: Path) -> None:
        """Read the files of a checkpoint."""


class TrainState(Loadable, Protocol):
    """Everything that must survive a kill."""

    env_step: int
    """Environment interactions so far, with action repeat, summed over parallel environments."""

    def save(self, folder: Path) -> None:
        """Write files into an empty folder."""


State = TypeVar("State", bound=TrainState)
Part = TypeVar("Part", bound=Loadable)


def load_checkpoint(directory: Path, state: Part) -> Part:
    """Load the newest checkpoint of a run directory into `state` and return it.

    Raises ConfigError where there is none, where it is damaged, or where it does not fit what it is read into.
    """
    latest = read_latest(directory)
    if latest is None:
        raise ConfigError(f"{directory} has no checkpoint yet")
    try:
        state.load(directory / "checkpoint" / latest["folder"])
    except (KeyError, RuntimeError, ValueError) as error:  # a framework's, for weights of other names or shapes
        reason = " ".join(str(error).split())
        raise ConfigError(f"the checkpoint of {directory} does not fit this config: {reason[:200]}") from error
    return state


def read_latest(directory: Path) -> dict[str, Any] | None:
    """What the newest checkpoint of a run directory says of itself; None where there is none.

    Raises ConfigError where the checkpoint, or a table that it counts on, is damaged or has lost rows.
    """
    folder = directory / "checkpoint"
    if not (folder / "latest.json").exists():
        return None
    try:
        latest: dict[str, Any] = read_json(folder / "latest.json")
        saved, hashes, lengths = folder / latest["folder"], latest["files"], latest["lengths"]
    except ValueError as error:
        raise ConfigError(f"{error}; {MEND}") from None
    except (KeyError, TypeError):
        raise ConfigError(f"{folder / 'latest.json'} lacks what a checkpoint says of itself; {MEND}") from None
    for name, expected in hashes.items():
        path = saved / name
        if not path.is_file():
            raise ConfigError(f"{path} is missing; {MEND}")
        if sha256(path) != expected:
            raise ConfigError(f"{path} is damaged (its sha256 differs from the one written); {MEND}")
    for name, length in lengths.items():
        path = directory / name
        if not path.is_file() or path.stat().st_size < length:
            raise ConfigError(f"{path} is shorter than its checkpoint says; {MEND}")
    return latest


def write_checkpoint(directory: Path, state: TrainState, facts: Mapping[str, Any]) -> None:
    """Save `state` into a new folder, then make it the newest in one rename, then drop the older ones.

    `facts` (table lengths, clocks, wall seconds) are kept in latest.json beside the files' sha256.
    """
    folder = directory / "checkpoint"
    folder.mkdir(exist_ok=True)
    older = [int(path.name.removeprefix("save-")) for path in folder.glob("save-*")]
    saved = folder / f"save-{max(older, default=0) + 1}"
    saved.mkdir()
    try:
        with naming(saved):
            save_into(saved, state)
            paths = sorted(path for path in saved.rglob("*") if path.is_file())
            for path in [*paths, saved]:
                sync(path)
        files = {path.relative_to(saved).as_posix(): sha256(path) for path in paths}
        write_json(folder / "latest.json", {"folder": saved.name, "env_step": state.env_step, **facts, "files": files})
    except BaseException:  # half a checkpoint only takes the room that the next one needs
        shutil.rmtree(saved, ignore_errors=True)
        raise
    for number in older:
        shutil.rmtree(folder / f"save-{number}", ignore_errors=True)


def save_into(folder: Path, state: TrainState) -> None:
    """`state.save`, raising OSError where the disk is full: torch says so by a RuntimeError about file positions."""
    try:
        state.save(folder)
    except Exception as error:
        if not isinstance(error, OSError):
            (folder / "room").write_bytes(bytes(2**20))
        raise
