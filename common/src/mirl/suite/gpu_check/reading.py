"""What was found on cards: the files of results/gpu, as README and report show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirl.config import ConfigError
from mirl.files import read_json
from mirl.suite.gpu_check import FAILED, NOT_RUN, OK

NOTHING = "Not run on a GPU."
COLUMNS = ("GPU", "date", "updates equal to the CPU's", "largest difference", "runs", "failed", "not run")


def read(root: Path) -> list[dict[str, Any]]:
    """Every committed record of a card; raises ConfigError for a file that is none."""
    found = []
    for path in sorted((root / "results/gpu").glob("*.json")):
        try:
            content = read_json(path)
            record = {"card": content["card"], "steps": content["steps"], "facts": content["facts"]}
            if content["simulated"] or not content["complete"]:
                continue
        except (ValueError, KeyError, TypeError) as fault:
            raise ConfigError(f"{path} is no record of gpu-check: {fault}") from None
        found.append(record)
    return found


def row(record: Mapping[str, Any]) -> tuple[str, ...]:
    """One card in the words of COLUMNS."""
    steps = record["steps"]
    updates = [one for one in steps.values() if "gradient_difference" in one]
    tried = [one for one in steps.values() if one["what"].startswith("one update") and one["status"] != NOT_RUN]
    worst = max((one["gradient_difference"] for one in updates), default=0.0)
    count = {status: sum(one["status"] == status for one in steps.values()) for status in (OK, FAILED, NOT_RUN)}
    runs = sum("train_s" in one or "both_s" in one for one in steps.values())
    return (
        str(record["card"]), str(record["facts"].get("ended", ""))[:10], f"{len(updates)} of {len(tried)}",
        f"{worst:.1g}", str(runs), str(count[FAILED]), str(count[NOT_RUN]),
    )  # fmt: skip


def markdown(root: Path) -> str:
    """A table for documents, or that there is none."""
    records = read(root)
    if not records:
        return NOTHING
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(row, records)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def sentence(root: Path) -> str:
    """The same for a line of the report."""
    told = [f"{card} ({date}), {equal} updates equal to the CPU's" for card, date, equal, *_ in map(row, read(root))]
    return f"Tried on: {'; '.join(told)}." if told else NOTHING
