"""What is published beside a run's tables: a folder that says of which checkpoint it is, and vouches for its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirl.files import read_json, sha256, write_json

ORIGIN = "of_checkpoint"
"""Field of the latest.json of a run directory that was unpacked from a published policy: sha256 of the run's own."""


@dataclass(frozen=True)
class Exhibit:
    """One kind. Its name is that of its folder, of the command that writes it, and of its facts: policy/policy.json."""

    name: str
    largest_bytes: int
    texts: tuple[str, ...] = ()
    """What its facts say in words, beside checkpoint, env_step and files."""
    holds: tuple[str, ...] = ()
    """Files that it has; none here: any."""

    @property
    def facts(self) -> str:
        """The file that holds them."""
        return f"{self.name}.json"


POLICY = Exhibit("policy", 5_000_000)
"""What `evaluate` reads of the last checkpoint."""
FILM = Exhibit("film", 500_000, texts=("caption", "alternative"), holds=("film.webm", "film.webp"))
"""What the policy does: the film, its last picture, and both in words."""
EXHIBITS = (POLICY, FILM)


def write_facts(exhibit: Exhibit, folder: Path, directory: Path, texts: Mapping[str, str] | None = None) -> None:
    """Say beside the files of an exhibit of which checkpoint of the run `directory` they are."""
    latest = directory / "checkpoint/latest.json"
    saved = read_json(latest)
    facts = {
        "checkpoint_sha256": saved.get(ORIGIN) or sha256(latest),
        "env_step": saved["env_step"],
        **(texts or {}),
        "files": {path.name: sha256(path) for path in sorted(folder.iterdir())},
    }
    write_json(folder / exhibit.facts, facts)


def fault_of(exhibit: Exhibit, folder: Path, manifest: Mapping[str, Any]) -> str:
    """What is wrong with a published exhibit, as the rest of a sentence that begins with a file; '' if nothing is."""
    try:
        facts = read_json(folder / exhibit.facts)
        of_checkpoint, files = str(facts["checkpoint_sha256"]), facts["files"]
        wrong = [name for name, expected in files.items() if sha256(folder / Path(name).name) != expected]
        silent = [name for name in exhibit.texts if not isinstance(facts[name], str) or not facts[name].strip()]
        present = {path.name for path in folder.iterdir()}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"{exhibit.facts} or a file that it names cannot be read ({' '.join(str(error).split())})"
    if of_checkpoint != manifest["files"].get("checkpoint/latest.json"):
        return f"{exhibit.facts} is of another run's checkpoint"
    if wrong:
        return f"{wrong[0]} does not have the sha256 that {exhibit.facts} records"
    if silent:
        return f"{exhibit.facts} has no {silent[0]}"
    if missing := [name for name in exhibit.holds if name not in files]:
        return f"{exhibit.facts} names no {missing[0]}"
    if strange := sorted(present - {exhibit.facts, *files}):
        return f"{strange[0]} is not named in {exhibit.facts}"
    size = size_of(folder)
    most = exhibit.largest_bytes
    return f"{exhibit.facts} and its files have {size:,} bytes, {most:,} are allowed" if size > most else ""


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
