"""The part of a checkpoint that is published: what `evaluate` reads, in the checkpoint's own form, small."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl.checkpoint import SEAL, read_latest, seal_of
from mirl.config import ConfigError
from mirl.exhibits import ORIGIN, POLICY, fault_of
from mirl.files import read_json, sha256, write_json

TOO_LARGE = "are too large to be published"


def blank(state: Any, keep: Sequence[str], place: str = "") -> Any:
    """A checkpoint's nested dictionaries with zeros for every tensor that does not lie in one of the places `keep`.

    A place is keys with slashes between, as `agent/actor`. Zeros load as any other numbers do and take no room once
    they are compressed; numbers and strings stay. Tensors are whatever has torch's `new_zeros`.
    """
    if isinstance(state, Mapping):
        return {key: blank(value, keep, f"{place}/{key}") for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(blank(value, keep, f"{place}/{number}") for number, value in enumerate(state))
    kept = any(f"{place}/".startswith(f"/{one}/") for one in keep)
    return state if kept or not hasattr(state, "new_zeros") else state.new_zeros(state.shape)


def pack(folder: Path) -> None:
    """Compress the files of a policy, with no time stamp inside."""
    for path in sorted(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()


def unpack(folder: Path, manifest: Mapping[str, Any], directory: Path) -> None:
    """Make `directory` a run directory that `evaluate` takes, from a published policy; raises ConfigError."""
    fault = fault_of(POLICY, folder, manifest)
    if fault:
        raise ConfigError(f"{folder}/{fault}")
    facts, saved = read_json(folder / POLICY.facts), directory / "checkpoint/save-1"
    saved.mkdir(parents=True)
    for name in facts["files"]:
        (saved / name.removesuffix(".gz")).write_bytes(gzip.decompress((folder / name).read_bytes()))
    names = ("schema_version", "run_id", "paper", "config", "config_sha256")
    attempt = {"number": 1, "start": manifest["start"], "end": manifest["end"], "status": "finished"}
    record = {**{name: manifest[name] for name in names}, "attempts": [attempt], "status": "finished"}
    write_json(directory / "run.json", record)
    files = {path.name: sha256(path) for path in saved.iterdir()}
    latest = {
        "folder": saved.name, "env_step": facts["env_step"], "wall_s": 0.0, "clocks": {}, "lengths": {}, "tables": {},
        "files": files, ORIGIN: facts["checkpoint_sha256"],
    }  # fmt: skip
    write_json(directory / "checkpoint/latest.json", {**latest, SEAL: seal_of(latest)})


def saved_folder(directory: Path) -> Path:
    """The newest checkpoint of a run directory; raises ConfigError where there is none or it is damaged."""
    latest = read_latest(directory)
    if latest is None:
        raise ConfigError(f"{directory} has no checkpoint")
    return directory / "checkpoint" / str(latest["folder"])
