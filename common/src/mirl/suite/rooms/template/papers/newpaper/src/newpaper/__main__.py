"""python -m newpaper: what every paper can be told, or the original's own command line."""

from __future__ import annotations

from pathlib import Path

from mirl.paper import Paper, main
from mirl.versions import torch_versions
from newpaper.bench import bench
from newpaper.config import CONFIGS, FIDELITIES, TASKS, configure
from newpaper.describe import parameter_counts
from newpaper.evaluate import SETTINGS, evaluate
from newpaper.original import translate
from newpaper.probe import probe
from newpaper.state import write_policy
from newpaper.train import train

PAPER = Paper(
    name="newpaper",
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
    policy=write_policy,
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
