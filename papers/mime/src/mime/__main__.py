"""python -m mime: train, evaluate, demo, describe, bench, or the original's own command line."""

from __future__ import annotations

from pathlib import Path

from mime.bench import bench
from mime.config import FIDELITIES, SETTINGS_FILES
from mime.evaluate import SETTINGS
from mime.files import OUTPUTS
from mime.methods import METHODS, check, configure, evaluate_method, parameter_counts, train_method
from mime.original import PROGRAMS, translate
from mime.probe import probe
from mime.state import write_policy
from mirl.paper import Paper, main
from mirl.versions import torch_versions

PAPER = Paper(
    name="mime",
    project=Path(__file__).parents[2],
    tasks=tuple(SETTINGS_FILES),
    methods=METHODS,
    fidelities=FIDELITIES,
    configure=configure,
    train=train_method,
    evaluate=evaluate_method,
    settings=SETTINGS,
    parameter_counts=parameter_counts,
    bench=bench,
    probe=probe,
    original=translate,
    programs=PROGRAMS,
    versions=torch_versions,
    outputs=OUTPUTS,
    policy=write_policy,
    check=check,
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
