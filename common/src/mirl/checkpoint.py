"""Checkpoints that are whole or absent: each in a folder of its own, with one small file that names the newest."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from mirl.config import ConfigError, digest
from mirl.files import hash_of_first, naming, read_json, sha256, sync, write_json

MEND = "start again with --overwrite, which keeps the old folder aside"
SEAL = "sha256"
"""The field of latest.json that holds the digest of all its others. Those of earlier versions have none."""
FOLDER = re.compile(r"save-([0-9]{1,18})")
OUT_OF_MEMORY = ("OutOfMemoryError", "ResourceExhaustedError")
"""What PyTorch and TensorFlow raise where a GPU's memory is full."""


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
Result = TypeVar("Result")


def load_checkpoint(directory: Path, state: Part) -> Part:
    """Load the newest checkpoint of a run directory into `state` and return it.

    Raises ConfigError where there is none, where it is damaged, or where it does not fit what it is read into.
    """
    read_checkpoint(directory, state.load)
    return state


def read_checkpoint(directory: Path, read: Callable[[Path], Result]) -> Result:
    """What `read` makes of the folder of the newest checkpoint of a run directory. Raises as `load_checkpoint` does."""
    latest = read_latest(directory)
    if latest is None:
        raise ConfigError(f"{directory} has no checkpoint yet")
    return read_files(directory, latest, read)


def read_files(directory: Path, latest: Mapping[str, Any], read: Callable[[Path], Result]) -> Result:
    """What `read` makes of the checkpoint that `latest` describes. Raises ConfigError where they do not fit."""
    try:
        return read(directory / "checkpoint" / latest["folder"])
    except (ConfigError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever a framework or an unpickler makes of other names, shapes or foreign files
        if type(error).__name__ in OUT_OF_MEMORY:
            raise
        reason = " ".join(f"{'' if isinstance(error, RuntimeError) else type(error).__name__ + ': '}{error}".split())
        raise ConfigError(f"the checkpoint of {directory} does not fit this config: {reason[:200]}") from error


def read_latest(directory: Path) -> dict[str, Any] | None:
    """What the newest checkpoint of a run directory says of itself; None where there is none.

    Raises ConfigError where the checkpoint, or a table that it counts on, is damaged or has lost rows.
    """
    path = directory / "checkpoint" / "latest.json"
    if path.parent.exists() and not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no folder; {MEND}")
    if not path.exists():
        return None
    try:
        latest = read_json(path)
    except ValueError as error:
        raise ConfigError(f"{error}; {MEND}") from None
    if fault := fault_of(latest):
        raise ConfigError(f"{path} {fault}; {MEND}")
    for name, expected in latest["files"].items():
        saved = path.parent / latest["folder"] / name
        if not saved.is_file():
            raise ConfigError(f"{saved} is missing; {MEND}")
        if sha256(saved) != expected:
            raise ConfigError(f"{saved} is damaged (its sha256 differs from the one written); {MEND}")
    for name, length in latest["lengths"].items():
        table = directory / name
        if not table.is_file() or table.stat().st_size < length:
            raise ConfigError(f"{table} is shorter than its checkpoint says; {MEND}")
        if SEAL in latest and hash_of_first(table, length).hexdigest() != latest["tables"].get(name):
            raise ConfigError(f"{table} has other rows than its checkpoint counted; {MEND}")
    checked: dict[str, Any] = latest
    return checked


def fault_of(latest: Any) -> str:
    """Why the content of a latest.json cannot be what a checkpoint wrote; '' where it can."""
    if not isinstance(latest, dict):
        return "lacks what a checkpoint says of itself"
    if SEAL in latest and latest[SEAL] != seal_of(latest):
        return "is damaged (it does not have the sha256 that it names)"
    wanted: dict[str, Any] = {
        "folder": str,
        "env_step": int,
        "wall_s": (int, float),
        "clocks": dict,
        "lengths": dict,
        "files": dict,
    }
    for name, kind in (wanted | ({"tables": dict} if SEAL in latest else {})).items():
        if not isinstance(latest.get(name), kind):
            return f"lacks what a checkpoint says of itself ({name})"
    counts = [latest["env_step"], *latest["clocks"].values(), *latest["lengths"].values()]
    if not all(type(count) is int and count >= 0 for count in counts):
        return "counts something by what is no whole number"
    names = [*latest["files"], *latest["lengths"]]
    if not FOLDER.fullmatch(latest["folder"]) or any(".." in parts or "/" in parts for parts in map(parts_of, names)):
        return "names files outside its run directory"
    return ""


def parts_of(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts


def seal_of(latest: Mapping[str, Any]) -> str:
    """The sha256 of all that a latest.json says, but for this itself."""
    return digest({name: value for name, value in latest.items() if name != SEAL})


def write_checkpoint(directory: Path, state: TrainState, facts: Mapping[str, Any]) -> None:
    """Save `state` into a new folder, then make it the newest in one rename, then drop the older ones.

    `facts` (table lengths, clocks, wall seconds) are kept in latest.json beside the files' sha256.
    """
    folder = directory / "checkpoint"
    folder.mkdir(exist_ok=True)
    older = [int(found[1]) for path in folder.iterdir() if (found := FOLDER.fullmatch(path.name))]
    saved = folder / f"save-{max(older, default=0) + 1}"
    saved.mkdir()
    try:
        with naming(saved):
            save_into(saved, state)
            paths = sorted(path for path in saved.rglob("*") if path.is_file())
            for path in [*paths, saved]:
                sync(path)
        files = {path.relative_to(saved).as_posix(): sha256(path) for path in paths}
        latest = {"folder": saved.name, "env_step": state.env_step, **facts, "files": files}
        write_json(folder / "latest.json", {**latest, SEAL: seal_of(latest)})
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
