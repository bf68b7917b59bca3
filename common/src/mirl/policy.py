"""The part of a checkpoint that is published: what `evaluate` reads, in the checkpoint's own form, small."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl.checkpoint import SEAL, read_latest, seal_of
from mirl.config import ConfigError
from mirl.files import read_json, sha256, write_json

FOLDER = "policy"
"""Of a published run, beside its manifest."""
FACTS = "policy.json"
LARGEST_BYTES = 5_000_000
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


def write_facts(folder: Path, directory: Path) -> None:
    """Compress the files of a policy and say beside them of which checkpoint of `directory` they are."""
    files = {}
    for path in sorted(folder.iterdir()):
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()
        files[packed.name] = sha256(packed)
    latest = directory / "checkpoint/latest.json"
    env_step = read_json(latest)["env_step"]
    write_json(folder / FACTS, {"checkpoint_sha256": sha256(latest), "env_step": env_step, "files": files})


def fault_of(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What is wrong with a published policy, as the rest of a sentence that begins with a file; '' where nothing is."""
    try:
        facts = read_json(folder / FACTS)
        of_checkpoint, files = facts["checkpoint_sha256"], facts["files"]
        wrong = [name for name, expected in files.items() if sha256(folder / Path(name).name) != expected]
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"{FACTS} or a file that it names cannot be read ({' '.join(str(error).split())})"
    if of_checkpoint != manifest["files"].get("checkpoint/latest.json"):
        return f"{FACTS} is of another run's checkpoint"
    if wrong:
        return f"{wrong[0]} does not have the sha256 that {FACTS} records"
    strange = sorted({path.name for path in folder.iterdir()} - {FACTS, *files})
    if strange:
        return f"{strange[0]} is not named in {FACTS}"
    size = size_of(folder)
    return f"{FACTS} and its files have {size:,} bytes, {LARGEST_BYTES:,} are allowed" if size > LARGEST_BYTES else ""


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def unpack(folder: Path, manifest: Mapping[str, Any], directory: Path) -> None:
    """Make `directory` a run directory that `evaluate` takes, from a published policy; raises ConfigError."""
    fault = fault_of(folder, manifest)
    if fault:
        raise ConfigError(f"{folder}/{fault}")
    facts, saved = read_json(folder / FACTS), directory / "checkpoint/save-1"
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
        "files": files,
    }  # fmt: skip
    write_json(directory / "checkpoint/latest.json", {**latest, SEAL: seal_of(latest)})


def saved_folder(directory: Path) -> Path:
    """The newest checkpoint of a run directory; raises ConfigError where there is none or it is damaged."""
    latest = read_latest(directory)
    if latest is None:
        raise ConfigError(f"{directory} has no checkpoint")
    return directory / "checkpoint" / str(latest["folder"])
