"""What may be done with a folder: who holds it, what its run.json says, and what is refused there."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mirl.checkpoint import MEND
from mirl.config import ConfigError, first_difference
from mirl.files import naming, read_json

PATIENCE_S = 1.0
"""Who only looks whether a folder is held holds it himself for a moment; an owner holds it for longer than this."""


def read_record(directory: Path) -> dict[str, Any] | None:
    """run.json of a run directory, or None; raises ConfigError where it cannot be read."""
    path = directory / "run.json"
    if not path.exists():
        return None
    try:
        record = read_json(path)
    except ValueError as error:
        raise ConfigError(f"{error}; {MEND}") from None
    if not isinstance(record, dict):
        raise ConfigError(f"{path} lacks what a run says of itself; {MEND}")
    for name, kind in (("run_id", str), ("paper", str), ("config", dict), ("attempts", list)):
        if not isinstance(record.get(name), kind):
            raise ConfigError(f"{path} lacks what a run says of itself ({name}); {MEND}")
    if not record["attempts"] or not all(map(is_attempt, record["attempts"])):
        raise ConfigError(f"{path} lacks what a run says of itself (attempts, each with start and status); {MEND}")
    return record


def is_attempt(attempt: Any) -> bool:
    return isinstance(attempt, dict) and all(isinstance(attempt.get(name), str) for name in ("start", "status"))


def says_finished(directory: Path) -> bool:
    """Whether a manifest says that its run is finished; one that is empty or torn, as a power cut leaves it, ends none.

    Whether it keeps the contract is for mirl.suite.manifests.is_finished to say.
    """
    try:
        manifest = read_json(directory / "manifest.json")
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("status") == "finished"


def refuse_blocked(option: str, path: Path) -> None:
    """Raises ConfigError for a place of the user's that can never be, as one beneath a file."""
    there = next(one for one in path.absolute().parents if one.exists())
    if not there.is_dir():
        raise ConfigError(f"{option} {path} cannot be written: {there} is a file")


def refuse_no_folder(directory: Path) -> None:
    """Raises ConfigError where a run directory is a file, or lies beneath one."""
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"--run-dir must be a folder, got the file {directory}")
    refuse_blocked("--run-dir", directory)


def refuse_another_config(directory: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises ConfigError that names the first field in which the folder's run differs."""
    difference = first_difference(old, new)
    if difference:
        raise ConfigError(
            f"{directory} was started with {difference}; choose another folder, "
            "or pass --overwrite, which keeps the old one aside"
        )


def refuse_foreign_files(directory: Path) -> None:
    """A folder without run.json may hold what a runner puts there before the run begins, and nothing else."""
    if not directory.exists() or (directory / "run.json").exists():
        return
    for path in sorted(directory.iterdir()):
        is_log = path.name.startswith("attempt-") and path.suffix == ".log"
        is_draft = path.name.startswith(".run.json.")  # left by a kill in the first moment
        if not (path.name == "run.lock" or is_log or is_draft):
            raise ConfigError(f"{directory} holds files of something else ({path.name}); choose another folder")


def hold(directory: Path, patience_s: float = PATIENCE_S) -> IO[str]:
    """Lock a run directory, made if need be; the kernel lets go of it when this process ends, however it ends.

    Raises ConfigError where another process still holds it after `patience_s` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "run.lock"
    stream = path.open("a")
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with naming(path):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return stream
        except BlockingIOError:
            if time.monotonic() > deadline:
                stream.close()
                raise ConfigError(f"{directory} is being written by another process; wait for it or end it") from None
        time.sleep(0.05)
