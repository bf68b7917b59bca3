"""`mirl gpu-check`: what a card does with every method, step by step, into one file that can be committed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mirl.files import read_json, write_json
from mirl.manifest import revision
from mirl.run import utc_now

SCHEMA_VERSION = 1
OK, FAILED, NOT_RUN = "ok", "failed", "not run"


class NotRunError(Exception):
    """Why a step cannot be done on this host, in one line."""


class StepError(Exception):
    """What a step found wrong, in one line."""


@dataclass(frozen=True)
class Step:
    """One thing to try."""

    name: str
    what: str
    """A few words for the table."""
    do: Callable[[], Mapping[str, Any]]
    """Returns what was measured; raises StepError or NotRunError."""


@dataclass
class Record:
    """The file of a card: every step that was tried, with what came of it."""

    card: str
    simulated: bool
    path: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    complete: bool = False

    def write(self) -> None:
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        write_json(self.path, {"schema_version": SCHEMA_VERSION, **content})


def file_name(card: str) -> str:
    """'NVIDIA H100 80GB HBM3' -> 'nvidia-h100-80gb-hbm3.json'."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-") + ".json"


def open_record(folder: Path, card: str, simulated: bool, root: Path) -> Record:
    """A card's record, continued where it is of the same card and the same code."""
    now = {key: value for key, value in revision(root).items() if key == "git_revision"}
    record = Record(card, simulated, folder / file_name(card), facts={**now, "began": utc_now()})
    if record.path.exists():
        old = read_json(record.path)
        if old.get("facts", {}).get("git_revision") == now["git_revision"] and not old.get("complete"):
            record.steps = {name: one for name, one in old["steps"].items() if one["status"] == OK}
            record.facts = old["facts"]
    return record


def run_steps(record: Record, steps: Sequence[Step], tell: Callable[[str], None]) -> Record:
    """Try every step that was not done before; the record is written after each."""
    for number, step in enumerate(steps, 1):
        if step.name in record.steps:
            continue
        tell(f"[{number}/{len(steps)}] {step.name}: {step.what}")
        start = time.monotonic()
        try:
            found = {"status": OK, **step.do()}
        except NotRunError as reason:
            found = {"status": NOT_RUN, "reason": str(reason)}
        except StepError as fault:
            found = {"status": FAILED, "reason": str(fault)}
        record.steps[step.name] = {"what": step.what, **found, "wall_s": round(time.monotonic() - start, 1)}
        record.write()
    record.complete = True
    record.facts["ended"] = utc_now()
    record.write()
    return record
