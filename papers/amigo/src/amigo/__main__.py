"""python -m amigo: train, evaluate, demo, describe, bench, or the original's own command line."""

from __future__ import annotations

from pathlib import Path

from amigo.bench import bench
from amigo.config import CONFIGS, FIDELITIES, TASKS, configure
from amigo.describe import parameter_counts
from amigo.evaluate import SETTINGS, evaluate, play_weights
from amigo.files import OUTPUTS
from amigo.original import translate
from amigo.probe import probe
from amigo.state import write_policy
from amigo.train import train
from mirl.paper import Paper, main
from mirl.versions import torch_versions

PAPER = Paper(
    name="amigo",
    project=Path(__file__).parents[2],
    tasks=TASKS,
    methods=tuple(CONFIGS),
    fidelities=FIDELITIES,
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=SETTINGS,
    parameter_counts=parameter_counts,
    bench=bench,
    probe=probe,
    original=translate,
    versions=torch_versions,
    outputs=OUTPUTS,
    commands={"weights": play_weights},
    policy=write_policy,
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
