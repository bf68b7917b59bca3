"""What the stages before training leave: found in a cache, or made there once, whichever run comes first (card 6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from torch import nn

from mi_asym.agents.dqn import Embedders
from mi_asym.collect import CollectionStopped, collect, data_file_name
from mi_asym.config import BelieverFields, CollectConfig, EmbedderFields
from mi_asym.envs import GRID_TASKS, ROBOT_TASKS, environment_version, refuse_start
from mi_asym.networks.encoders import BeliefFeatures
from mi_asym.pretrain import (
    PretrainingStopped,
    Row,
    encoder_folder,
    load_encoders,
    part_of,
    pretrain,
    pretraining_key,
    read_losses,
)
from mi_asym.representation.belief import VERSION as BELIEF_VERSION
from mi_asym.representation.belief import learn_belief_features, new_belief_features
from mi_asym.representation.blindness import blindness
from mi_asym.representation.learner import make_encoder
from mi_asym.streams import generator
from mi_asym.weights import load_weights
from mirl.config import ConfigError, digest, require
from mirl.files import sha256
from mirl.folder import hold
from mirl.run import Interrupted, Run


@dataclass(frozen=True)
class Prepared:
    """Stage 2's result for a run."""

    embedders: Embedders
    losses: Row
    """The last epoch's, none where files were given; on grids also phi's blind errors."""

    @property
    def features(self) -> nn.Module:
        """The frozen network of a state's features."""
        return self.embedders.state


@dataclass(frozen=True)
class PreparedBelief:
    """Believer's state features for a run."""

    features: BeliefFeatures
    losses: Row


def check(task: str, config: Any) -> None:
    """Raise ConfigError for a config whose stages cannot be prepared for a task."""
    refuse_start(task, config.start)
    if isinstance(config, CollectConfig) and task in GRID_TASKS:
        episodes, random, copies = config.collect_episodes, config.collect_random_episodes, config.collect_augmentations
        allowed = f"{episodes}, all of --collect-episodes, as grids have no scripted expert"
        require(random == episodes, "collect_random_episodes", random, allowed)
        require(copies == 0, "collect_augmentations", copies, "0 on grids")
    if isinstance(config, EmbedderFields) and config.state_embedder:
        embedders_from_files(task, config)


def prepare(run: Run, config: EmbedderFields) -> Prepared:
    """phi and psi for a run: from files that the config names, from the cache, or made now."""
    task = run.header.task
    if config.state_embedder:
        return prepared(task, embedders_from_files(task, config), {})
    data = collected(run, config, cache_folder(run.directory, config.cache))
    folder = data.parent.parent / f"encoders-{pretraining_key(task, config, data)}"
    final = folder / encoder_folder(task, config.pretrain_seed, config.pretrain_epochs - 1)
    if not (folder / "pretrain.csv").exists():
        with held(folder, run):
            if not (folder / "pretrain.csv").exists():
                try:
                    pretrain(task, config, data, folder, run.device, should_stop=stopped(run), report=tell("stage 2"))
                except PretrainingStopped as stop:
                    raise interruption(run, stop) from None
    embedders = new_embedders(task)
    load_encoders(embedders.state, embedders.observation, final)
    return prepared(task, embedders, read_losses(folder / "pretrain.csv"))


def prepared(task: str, embedders: Embedders, losses: Row) -> Prepared:
    """With what phi's features are worth, on grids."""
    return Prepared(embedders, losses | blindness(task, embedders.state))


def collected(run: Run, config: CollectConfig, cache: Path) -> Path:
    """Stage 1's data for a run."""
    task = run.header.task
    key = digest({"task": task, "environment": environment_version(task), **part_of(config, CollectConfig)})
    folder = cache / f"data-{key[:16]}"
    copies = config.collect_augmentations if task in ROBOT_TASKS else 0
    path = folder / data_file_name(task, config.collect_seed, config.collect_episodes, copies > 0, copies)
    if path.exists():
        return path
    with held(folder, run):
        if path.exists():
            return path
        try:
            return collect(
                task, config.collect_seed, config.collect_episodes, folder, config.collect_random_episodes,
                aug=copies > 0, n_aug=max(copies, 1), start=config.start, should_stop=stopped(run),
                report=lambda done, total: print(f"stage 1: {done} of {total} episodes", flush=True),
            )  # fmt: skip
        except CollectionStopped as stop:
            raise interruption(run, stop) from None


def cache_folder(run_directory: Path, wanted: str) -> Path:
    """Where stages leave their results: as wanted, else beside `runs` in results, else beside the run directory."""
    if wanted:
        return Path(wanted)
    for parent in run_directory.resolve().parents:
        if parent.name == "runs":
            return parent.parent / "cache" / "mi_asym"
    return run_directory.resolve().parent / "cache" / "mi_asym"


def held(folder: Path, run: Run) -> IO[str]:
    """The folder's lock; waits while another run makes what it is for."""
    told = False
    while True:
        try:
            return hold(folder)
        except ConfigError:
            if run.stop_signal is not None:
                raise Interrupted(run.stop_signal, "while another run makes its features") from None
            if not told:
                print(f"waiting for {folder}, which another run is making", flush=True)
            told = True
            time.sleep(0.5)


def stopped(run: Run) -> Callable[[], bool]:
    return lambda: run.stop_requested


def interruption(run: Run, stop: Exception) -> Interrupted:
    assert run.stop_signal is not None
    return Interrupted(run.stop_signal, str(stop))


def tell(stage: str) -> Callable[[int, Row], None]:
    """Prints a line every so often."""
    last = time.monotonic()

    def report(epoch: int, losses: Row) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"{stage}: epoch {epoch}, total loss {losses['total']:.4g}", flush=True)

    return report


def prepare_for(run: Run, config: Any) -> Prepared | PreparedBelief | None:
    """What a method's run stands on; None where it stands on nothing."""
    if isinstance(config, BelieverFields):
        return prepare_belief(run, config)
    return prepare(run, config) if isinstance(config, EmbedderFields) else None


def untrained(task: str, config: Any) -> Prepared | PreparedBelief | None:
    """As `prepare_for`, with weights that a checkpoint is about to replace."""
    if isinstance(config, BelieverFields):
        return PreparedBelief(new_belief_features(task, generator(0, 0, "replaced")), {})
    return Prepared(new_embedders(task), {}) if isinstance(config, EmbedderFields) else None


def prepare_belief(run: Run, config: Any) -> PreparedBelief:
    """Believer's state features for a run, from the cache or made now."""
    task = run.header.task
    data = collected(run, config, cache_folder(run.directory, config.cache))
    own = {field.name: getattr(config, field.name) for field in fields(config) if field.name.startswith("features_")}
    facts = {"version": BELIEF_VERSION, "task": task, "data": sha256(data), "seed": config.collect_seed, **own}
    folder = data.parent.parent / f"belief-{digest(facts)[:16]}"
    if not (folder / "features.csv").exists():
        with held(folder, run):
            if not (folder / "features.csv").exists():
                try:
                    learn_belief_features(task, config, data, folder, run.device, stopped(run), tell("state features"))
                except PretrainingStopped as stop:
                    raise interruption(run, stop) from None
    features = new_belief_features(task, generator(0, 0, "replaced"))
    load_weights(features, folder / "features.pt")
    return PreparedBelief(features, read_losses(folder / "features.csv"))


def embedders_from_files(task: str, config: EmbedderFields) -> Embedders:
    """phi and psi out of the files that the config names."""
    embedders = new_embedders(task)
    load_weights(embedders.state, Path(config.state_embedder))
    load_weights(embedders.observation, Path(config.obs_embedder))
    return embedders


def new_embedders(task: str) -> Embedders:
    """Encoders whose weights are about to be replaced."""
    draw = generator(0, 0, "replaced")
    return Embedders(make_encoder(task, draw), make_encoder(task, draw))
