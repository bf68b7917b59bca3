"""The files that a run leaves beside mirl's own records: config.yaml, test_result.yaml, contexts (card 6).

The YAML files are written in YAML's subset JSON, which needs no library.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirl.config import as_dictionary
from mirl.files import read_json, write_atomically, write_json
from mirl.run import Header
from sami.config import TesacConfig, task_set
from sami.protocol import TestEpisode

OUTPUTS = ("config.yaml", "test_result.yaml", "contexts_training.csv", "contexts_moderate.csv", "contexts_extreme.csv")


def write_training_files(directory: Path, header: Header, config: TesacConfig) -> None:
    """config.yaml: who the run is, every field of its config, and where its task set's numbers come from."""
    who = {"task": header.task, "method": header.method, "seed": header.seed, "fidelity": header.fidelity}
    sources = {setting: one.provenance for setting, one in task_set(header.task, config).items()}
    write_json(directory / "config.yaml", who | as_dictionary(config) | {"provenance": sources})


def write_test_files(directory: Path, setting: str, results: Sequence[TestEpisode]) -> None:
    """Add a setting to test_result.yaml and write its contexts, a row an episode, to contexts_<setting>.csv."""
    path = directory / "test_result.yaml"
    table = read_json(path) if path.exists() else {}
    write_json(path, table | {setting: [as_result(one) for one in results]})
    write_atomically(directory / f"contexts_{setting}.csv", contexts_table(results))


def as_result(one: TestEpisode) -> dict[str, Any]:
    """An episode as YAML can hold it."""
    result = {
        "tuple": one.tuple_number,
        "context": {name: plain(value) for name, value in one.context.items()},
        "return": float(one.total_reward),
        "return_without_last_reward": float(one.partial_reward),
        "length": int(one.length),
        "success": bool(one.success),
    }
    return result | ({"skill": one.skill} if one.skill else {})


def contexts_table(results: Sequence[TestEpisode]) -> str:
    """Tuple, what was drawn from it, and the final context, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    size = len(results[0].final_embedding)
    writer.writerow(["tuple", "drawn", *(f"context_{number}" for number in range(size))])
    for one in results:
        drawn = " ".join(f"{name}={plain(value)}" for name, value in one.context.items())
        writer.writerow([one.tuple_number, drawn, *(f"{value:.8g}" for value in one.final_embedding)])
    return text.getvalue()


def plain(value: Any) -> Any:
    """Numbers and lists of numbers, free of NumPy."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value
