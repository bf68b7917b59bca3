"""What the manifest of a finished run vouches for: it is whole, it lies where it belongs, and the tables are its own.

Whoever reads a run reads it through here. A file that was changed since the run ended is no evidence.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from mirl import config as configs
from mirl.files import move_aside
from mirl.suite.records import Manifest, Record, RunRecord, describe_fault
from mirl.suite.selection import RunSpec

TABLES = ("metrics.csv", "episodes.csv")
"""Plain where a trainer left them, gzipped where they were published."""
Kind = TypeVar("Kind", bound=Record)


class DamagedRunError(ValueError):
    """A file of a run that cannot be read, or that is not what the run's manifest says."""

    def __init__(self, file: Path, fault: str) -> None:
        """`fault`: the rest of a sentence that begins with the file's name."""
        super().__init__(f"{file} {fault}")
        self.file, self.fault = file, fault

    @property
    def short(self) -> str:
        """The sentence without folders, for a line that names the run."""
        return f"{self.file.name} {self.fault}"


def read_manifest(directory: Path, spec: RunSpec | None = None) -> dict[str, Any]:
    """manifest.json as it stands, once it keeps the schema and is that of `spec`; empty where there is none.

    Raises DamagedRunError where it is not so, and where a published run has tables without a manifest.
    """
    path = directory / "manifest.json"
    if not path.exists():
        if table := published_table(directory):
            raise DamagedRunError(path, f"is missing; nothing vouches for {table}")
        return {}
    raw, manifest = parse_manifest(directory)
    own = run_id_of(manifest)
    if spec is not None and own != spec.run_id:
        raise DamagedRunError(path, f"is that of the run {own}")
    if configs.digest(raw["config"]) != manifest.config_sha256:
        raise DamagedRunError(path, "has another config than its config_sha256 says")
    for name in ("task", "method", "variant", "seed", "fidelity", "device"):
        if raw["config"].get(name, raw[name]) != raw[name]:
            raise DamagedRunError(path, f"says {name} {raw[name]!r}, its config {raw['config'][name]!r}")
    return raw


def parse_manifest(directory: Path) -> tuple[dict[str, Any], Manifest]:
    """A manifest as it stands and as a record; raises DamagedRunError.

    One that breaks the contract is no evidence and no end either: `mirl reproduce`, `run` and `repeat` go on with it.
    """
    path = directory / "manifest.json"
    try:
        return parse(path, Manifest)
    except DamagedRunError as damage:
        if published_table(directory):
            raise
        fault = f"{damage.fault}; the run is not finished, and the same mirl command goes on"
        raise DamagedRunError(path, fault) from None


def is_finished(directory: Path) -> bool:
    """Whether a run directory holds a manifest that keeps the contract."""
    try:
        return bool(parse_manifest(directory))
    except DamagedRunError:
        return False


def set_aside_broken(directory: Path) -> str:
    """Rename a manifest that breaks the contract, so that its run goes on; returns what was done, '' where nothing."""
    path = directory / "manifest.json"
    if not path.exists():
        return ""
    try:
        parse(path, Manifest)
    except DamagedRunError as damage:
        return f"{damage.short} and is now {move_aside(path).name}; the run goes on"
    return ""


def published_table(directory: Path) -> str:
    """The first packed table of a directory, which only a published run has; '' where there is none."""
    return next((f"{name}.gz" for name in TABLES if (directory / f"{name}.gz").exists()), "")


def read_record(directory: Path) -> dict[str, Any]:
    """run.json as it stands; empty where there is none. Raises DamagedRunError where it is not what a run writes."""
    path = directory / "run.json"
    return parse(path, RunRecord)[0] if path.exists() else {}


def parse(path: Path, kind: type[Kind]) -> tuple[dict[str, Any], Kind]:
    """A JSON file, as it stands and as a record of this kind; raises DamagedRunError."""
    content = read_bytes(path)
    if not content.strip():
        raise DamagedRunError(path, "is empty")
    try:
        raw = json.loads(content)
        return raw, kind.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise DamagedRunError(path, f"is not as the contract says: {describe_fault(error)}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedRunError(path, f"is not valid JSON ({' '.join(str(error).split())})") from None


def run_id_of(manifest: Manifest) -> str:
    """The run id that a manifest's other fields make."""
    method = f"{manifest.method}@{manifest.variant}" if manifest.variant else manifest.method
    return f"{manifest.paper}/{manifest.task}/{method}/seed{manifest.seed}"


def table_file(directory: Path, name: str) -> Path | None:
    """Where a table lies, plain or gzipped; None where it is absent."""
    plain, packed = directory / name, directory / f"{name}.gz"
    return plain if plain.exists() else packed if packed.exists() else None


def read_table(directory: Path, name: str) -> tuple[Path, bytes] | None:
    """The file and the unpacked bytes of a run's table; None where an unfinished run has none.

    Raises DamagedRunError where the run is finished and its manifest vouches for other bytes, or for none.
    """
    manifest = read_manifest(directory)
    file = table_file(directory, name)
    if file is None:
        if manifest:
            raise DamagedRunError(directory / name, "is missing")
        return None
    content = read_bytes(file)
    if manifest:
        expected = manifest["files"].get(name)
        if expected is None:
            raise DamagedRunError(file, "is not named by the run's manifest")
        if hashlib.sha256(content).hexdigest() != expected:
            raise DamagedRunError(file, "does not have the sha256 that the run's manifest records")
    return file, content


def read_bytes(file: Path) -> bytes:
    """The content of a file, unpacked where it is gzipped; raises DamagedRunError."""
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if file.suffix == ".gz" else content
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise DamagedRunError(file, "is not a whole gzip archive") from None
    except OSError as error:
        raise DamagedRunError(file, f"cannot be read ({error.strerror or error})") from None


def damage(directory: Path, spec: RunSpec | None = None) -> DamagedRunError | None:
    """The first thing that is wrong with a finished run's manifest and tables; None where nothing is."""
    try:
        if read_manifest(directory, spec):
            for name in TABLES:
                read_table(directory, name)
    except DamagedRunError as found:
        return found
    return None
