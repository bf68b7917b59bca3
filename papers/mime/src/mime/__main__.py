"""python -m mime: train, evaluate, demo, describe, bench, or the original's own command line."""

from __future__ import annotations

from pathlib import Path

from mime.bench import bench
from mime.config import CONFIGS, FIDELITIES, SETTINGS_FILES, configure
from mime.describe import parameter_counts, versions
from mime.evaluate import SETTINGS, evaluate
from mime.files import OUTPUTS
from mime.original import translate
from mime.train import train
from mirl.paper import Paper, main

PAPER = Paper(
    name="mime",
    project=Path(__file__).parents[2],
    tasks=tuple(SETTINGS_FILES),
    methods=tuple(CONFIGS),
    fidelities=FIDELITIES,
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=SETTINGS,
    parameter_counts=parameter_counts,
    bench=bench,
    original=translate,
    versions=versions,
    outputs=OUTPUTS,
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
