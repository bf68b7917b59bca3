"""The files that the original's README promises: weights, config.json, train and test results (card 6)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mime.agent import MamlAgent, MamlExplAgent, MimeAgent
from mime.config import (
    SETTINGS_FILES,
    EMamlConfig,
    MamlConfig,
    MamlExplConfig,
    MamlNoiseConfig,
    MimeConfig,
    env_steps_per_iteration,
    paper_settings,
)
from mime.envs.ml10 import TRAIN_CLASSES
from mime.networks import Layout
from mirl.files import whole_lines, write_atomically, write_json
from mirl.run import Header
from mirl.sinks import TensorBoard

OUTPUTS = ("policy.th", "dynamics.th", "config.json", "train_result.csv", "train_log.txt")
TRAIN_COLUMNS = {
    "Train-0/Returns": "train/return",
    "Train-0/Success": "train/success",
    "Valid/Returns": "train/adapted_return",
    "Valid/Success": "train/adapted_success",
}
"""Column of train_result.csv -> metric; `Success` counts tasks with any successful episode (ledger 16)."""
EXPLORATION_COLUMNS = {
    "Dynamics/OldMSELoss": "loss/dynamics_old_mse",
    "Dynamics/NewMSELoss": "loss/dynamics_new_mse",
    "Train-0/IntrinsicReturns": "train/intrinsic_return",
    "Train-0/CombinedReturns": "train/combined_return",
    "Valid/IntrinsicReturns": "train/adapted_intrinsic_return",
    "Valid/CombinedReturns": "train/adapted_combined_return",
}
ETA_COLUMNS = {"Eta": "train/eta"}
CLASS_COLUMNS = {
    f"{phase}/{name}/{column}": f"train/{metric}_{name}"
    for name in TRAIN_CLASSES
    for phase, prefix in (("Train-0", ""), ("Valid", "adapted_"))
    for column, metric in (("Returns", f"{prefix}return"), ("Success", f"{prefix}success"))
}
"""ML10's columns for each class, empty numbers (NaN) where the class was not drawn."""


def write_training_files(directory: Path, header: Header, config: MamlConfig, agent: MamlAgent) -> None:
    """Write everything a training leaves besides the run's own records; the tables are derived from metrics.csv."""
    save_weights(directory / "policy.th", agent.layout, agent.policy)
    if isinstance(agent, MamlExplAgent):
        save_weights(directory / "dynamics.th", agent.model.layout, agent.dynamics)
    write_json(directory / "config.json", original_config(directory, header, config, agent))
    columns = TRAIN_COLUMNS | (EXPLORATION_COLUMNS if isinstance(agent, MamlExplAgent) else {})
    columns |= ETA_COLUMNS if isinstance(agent, MimeAgent) else {}
    columns |= CLASS_COLUMNS if header.task == "ml10" else {}
    table = training_table(directory / "metrics.csv", columns)
    write_atomically(directory / "train_result.csv", as_csv(table))
    write_atomically(directory / "train_log.txt", as_text(table))


def save_weights(path: Path, layout: Layout, parameters: torch.Tensor) -> None:
    """Save a flat parameter vector as a state dict of tensors, atomically."""
    buffer = io.BytesIO()  # torch reports a full disk by an error of its own; write_atomically names the file
    torch.save({name: value.clone() for name, value in layout.unflatten(parameters.cpu()).items()}, buffer)
    write_atomically(path, buffer.getvalue())


def original_config(directory: Path, header: Header, config: MamlConfig, agent: MamlAgent) -> dict[str, Any]:
    """config.json: the YAML's keys, the original's command-line flags, and the adapted eta (card 6)."""
    settings = dict(paper_settings(header.task))
    for key in settings:
        if hasattr(config, key.replace("-", "_")):
            value = getattr(config, key.replace("-", "_"))
            settings[key] = list(value) if isinstance(value, tuple) else value
    iterations = -(-config.total_env_steps // env_steps_per_iteration(config, settings["env-name"]))
    settings["num-batches"] = max(0, iterations - settings["pre-epochs"])
    if isinstance(config, MamlExplConfig):
        settings |= {"dyn-lr": config.dyn_lr, "adaptable-eta": config.eta}
    flags = {
        "use_vime": isinstance(config, MamlExplConfig),
        "adapt_eta": isinstance(config, MimeConfig),
        "add_noise": isinstance(config, MamlNoiseConfig),
        "e_maml": isinstance(config, EMamlConfig),
        "use_inv_vime": False,
        "seed": header.seed,
        "num_workers": config.num_workers,
        "use_cuda": header.device == "cuda",
        "device": header.device,
        "config": f"configs/msc_project/{SETTINGS_FILES[header.task]}",
        "output_folder": str(directory),
    }
    adapted = {"adapted-eta": float(agent.eta.double().sigmoid())} if isinstance(agent, MimeAgent) else {}
    return settings | flags | adapted


def training_table(metrics: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per iteration out of a run's metrics.csv; columns: the original's name -> metric.

    What an iteration did not measure is NaN.
    """
    by_step: dict[int, dict[str, float]] = {}
    for row in csv.DictReader(whole_lines(metrics.read_text(encoding="utf-8"))):
        by_step.setdefault(int(row["env_step"]), {})[row["name"]] = float(row["value"])
    iterations = [(step, values) for step, values in sorted(by_step.items()) if "train/return" in values]
    return [
        {"TotalEnvSteps": step, "Iteration": number}
        | {column: values.get(name, math.nan) for column, name in columns.items()}
        for number, (step, values) in enumerate(iterations)
    ]


def as_csv(table: Sequence[Mapping[str, Any]]) -> str:
    """A table as CSV; its first row sets the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_text(table: Iterable[Mapping[str, Any]]) -> str:
    """A table as the original's log prints it: a small block of names and values per row."""
    blocks = []
    for row in table:
        width = max(len(name) for name in row)
        blocks.append("\n".join(f"{name:<{width}}  {value:.6g}" for name, value in row.items()))
    return "\n\n".join(blocks) + "\n"


def write_test_files(directory: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """test_result.csv, test_log.txt and, for TensorBoard, the scalars under test/ with the batch as x axis."""
    write_atomically(directory / "test_result.csv", as_csv(table))
    write_atomically(directory / "test_log.txt", as_text(table))
    for old in (directory / "test").glob("events.out.tfevents.*"):
        old.unlink()
    with TensorBoard(directory / "test") as board:
        for row in table:
            board.scalars(int(row["Batch"]), {name: value for name, value in row.items() if name != "Batch"})
