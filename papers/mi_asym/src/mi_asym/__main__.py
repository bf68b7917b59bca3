"""python -m mi_asym: train, evaluate, demo, describe, bench, the stages before, or the original's own command lines."""

from __future__ import annotations

from pathlib import Path

from mi_asym.bench import bench
from mi_asym.config import FIDELITIES, METHODS, configure, effective
from mi_asym.describe import parameter_counts
from mi_asym.envs import TASKS
from mi_asym.evaluate import SETTINGS, evaluate
from mi_asym.original import SCRIPTS, translate
from mi_asym.probe import probe
from mi_asym.replay_command import run_replay
from mi_asym.stage_commands import run_collect, run_pretrain
from mi_asym.stages import check
from mi_asym.state import write_policy
from mi_asym.train import train
from mirl.paper import Paper, main
from mirl.versions import torch_versions

PAPER = Paper(
    name="mi_asym",
    project=Path(__file__).parents[2],
    tasks=TASKS,
    methods=METHODS,
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
    check=check,
    effective=effective,
    policy=write_policy,
    programs=SCRIPTS,
    commands={"collect": run_collect, "pretrain": run_pretrain, "replay": run_replay},
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
