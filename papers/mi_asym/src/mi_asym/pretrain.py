"""Stage 2: epochs over stage 1's data, encoders written down on the way; continues after a kill."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mi_asym.collect import load_data
from mi_asym.config import PretrainConfig
from mi_asym.envs import task_spec
from mi_asym.representation.learner import RepresentationLearner
from mi_asym.representation.samples import Samples, samples_of
from mi_asym.streams import generator
from mi_asym.weights import load_weights
from mirl.config import ConfigError, digest
from mirl.files import sha256, write_atomically

VERSION = 1
"""Of what stages 1 and 2 compute: a change that alters their results raises it, so that old results are not found."""
LOG_NAMES = {
    "total": "total",
    "max_s_zs": "state_information",
    "max_o_zo": "observation_information",
    "min_zs_zo": "shared_information",
    "state_dynamics": "state_dynamics",
    "obs_dynamics": "observation_dynamics",
    "reward": "reward",
    "estimator": "estimator",
}
"""Column of pretrain.csv, the original's name -> loss."""
ENCODER_FILES = ("s_encoder.pt", "o_encoder.pt")
"""Of an encoder folder: phi's and psi's weights (card 6.2)."""
Row = dict[str, float]
Report = Callable[[int, Row], None]
"""Told of every epoch's mean losses."""


class PretrainingStopped(Exception):  # noqa: N818 - it tells what happened
    """Someone asked stage 2 to stop; the same call continues."""


def pretrain(
    task: str,
    config: PretrainConfig,
    data: Path,
    folder: Path,
    device: str = "cpu",
    log_freq: int = 0,
    save_every: int = 20,
    init_model: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    report: Report = lambda epoch, losses: None,
) -> Path:
    """Learn phi and psi of a task; returns the folder of the last epoch's encoders (card 6.2).

    log_freq: epochs between encoders that are kept on the way, 0 for none; save_every: epochs between checkpoints;
    init_model: an encoder folder to begin with. Raises PretrainingStopped.
    """
    learner = RepresentationLearner(task, config, device)
    samples = on_device(read_samples(task, config, data), device)
    if init_model:
        load_encoders(learner.state_encoder, learner.observation_encoder, init_model)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, key = folder / "pretrain.pt", pretraining_key(task, config, data, init_model)
    rows = restore(learner, checkpoint, key)
    for epoch in range(len(rows), config.pretrain_epochs):
        with repeatable():
            rows.append(run_epoch(learner, samples, epoch))
        report(epoch, rows[-1])
        last = epoch + 1 == config.pretrain_epochs
        if log_freq and epoch % log_freq == 0 and not last:
            write_encoders(learner, folder / encoder_folder(task, config.pretrain_seed, epoch))
        if should_stop() or ((epoch + 1) % save_every == 0 and not last):
            save(learner, rows, checkpoint, key)
        if should_stop() and not last:
            raise PretrainingStopped(f"in stage 2, after epoch {epoch}")
    final = folder / encoder_folder(task, config.pretrain_seed, config.pretrain_epochs - 1)
    write_encoders(learner, final)
    write_table(rows, folder / "pretrain.csv")
    checkpoint.unlink(missing_ok=True)
    return final


def pretraining_key(task: str, config: PretrainConfig, data: Path, init_model: Path | None = None) -> str:
    """What stage 2's result depends on: its config, the data's content and the encoders it begins with."""
    facts = {"version": VERSION, "task": task, "data": sha256(data), **part_of(config, PretrainConfig)}
    if init_model:
        facts["init_model"] = [sha256(init_model / name) for name in ENCODER_FILES]
    return digest(facts)[:16]


def part_of(config: Any, kind: Any) -> dict[str, Any]:
    """The fields of `config` that belong to one stage."""
    return {field.name: getattr(config, field.name) for field in fields(kind)}


def encoder_folder(task: str, seed: int, epoch: int) -> str:
    """Where the original keeps an epoch's encoders (card 6.2)."""
    return f"pretrained_encoders/{task}/s{seed}_end{epoch}_cv_mim"


def read_samples(task: str, config: PretrainConfig, data: Path) -> Samples:
    """Stage 1's file as samples; raises ConfigError where there are fewer than a batch takes."""
    spec = task_spec(task)
    one_hot = spec.num_actions if config.pretrain_action == "one_hot" and not spec.continuous else 0
    loaded = load_data(data)
    if loaded.obss.shape[2] != spec.observation_size:
        raise ConfigError(
            f"{data} holds observations of size {loaded.obss.shape[2]}, {task} has {spec.observation_size}"
        )
    samples = samples_of(loaded, one_hot)
    if len(samples) < config.pretrain_batch_size:
        raise ConfigError(f"--pretrain-batch-size must be at most {len(samples)}, the samples of {data.name}, "
                          f"got {config.pretrain_batch_size}")  # fmt: skip
    return samples


def on_device(samples: Samples, device: str) -> Samples:
    return Samples(**{name: tensor.to(device) for name, tensor in vars(samples).items()})


def run_epoch(learner: RepresentationLearner, samples: Samples, epoch: int) -> Row:
    """One pass over a fresh permutation, consecutive batches, the last incomplete one dropped; mean losses."""
    draw = generator(learner.config.pretrain_seed, epoch, "stage 2 epoch")
    size = learner.config.pretrain_batch_size
    count = len(samples) // size
    batches = torch.randperm(len(samples), generator=draw)[: count * size].view(count, size).to(samples.reward.device)
    sums: dict[str, Tensor] = {}
    for number in range(count):
        for name, loss in learner.step(samples, batches, number, draw).items():
            sums[name] = sums[name] + loss if name in sums else loss
    means = {name: float(total) / count for name, total in sums.items()}
    for name, mean in means.items():
        if not torch.isfinite(torch.tensor(mean)):
            raise ConfigError(f"stage 2's loss {name} became {mean} in epoch {epoch}")
    return means


@contextmanager
def repeatable() -> Iterator[None]:
    """Deterministic convolutions, so that what is made twice is the same."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def save(learner: RepresentationLearner, rows: list[Row], path: Path, key: str) -> None:
    """Write everything that the next epochs need, and whose they are, atomically."""
    optimisers = [learner.optimiser.state_dict(), learner.estimator_optimiser.state_dict()]
    write_tensors(path, {"key": key, "learner": learner.state_dict(), "optimisers": optimisers, "rows": rows})


def restore(learner: RepresentationLearner, path: Path, key: str) -> list[Row]:
    """The inverse of `save`; rows of the epochs that are done, none without a checkpoint. Raises ConfigError where the
    checkpoint is of another task, config or data."""
    if not path.exists():
        return []
    state = torch.load(path, weights_only=True)
    if state.get("key") != key:
        raise ConfigError(f"{path} was begun with another task, config or data; move it away to start anew")
    learner.load_state_dict(state["learner"])
    for optimiser, values in zip((learner.optimiser, learner.estimator_optimiser), state["optimisers"], strict=True):
        optimiser.load_state_dict(values)
    rows: list[Row] = state["rows"]
    return rows


def write_encoders(learner: RepresentationLearner, folder: Path) -> None:
    """Plain state dicts, as the original writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for encoder, name in zip((learner.state_encoder, learner.observation_encoder), ENCODER_FILES, strict=True):
        write_tensors(folder / name, encoder.cpu().state_dict())
    learner.to(learner.dynamics.reward.weight.device)


def write_tensors(path: Path, content: Any) -> None:
    """torch.save, atomically."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_encoders(state: nn.Module, observation: nn.Module, folder: Path) -> None:
    """Read both encoders of a folder; raises ConfigError in one line."""
    for encoder, name in zip((state, observation), ENCODER_FILES, strict=True):
        load_weights(encoder, folder / name)


def write_table(rows: list[Row], path: Path) -> None:
    """pretrain.csv: an epoch a row, in the original's names."""
    text = io.StringIO()
    present = {column: name for column, name in LOG_NAMES.items() if name in rows[0]}
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *present])
    for epoch, row in enumerate(rows):
        writer.writerow([epoch, *(row[name] for name in present.values())])
    write_atomically(path, text.getvalue())


def read_losses(path: Path) -> Row:
    """The last epoch's losses out of pretrain.csv."""
    *_, last = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {name: float(last[column]) for column, name in LOG_NAMES.items() if column in last}
