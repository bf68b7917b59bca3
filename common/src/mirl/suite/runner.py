"""`mirl run SPEC`: one training process, its log, its GPU and its signals. Nothing else is kept here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from mirl.attempt_log import LOG_IS_KEPT, next_attempt_log
from mirl.config import ConfigError, option_of
from mirl.folder import hold, read_record
from mirl.suite import containers, gpus
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.orphans import stop_with_parent
from mirl.suite.results import run_directory

WAIT_FOR_OWNER_S = 120.0
"""How long to wait for an orphan, which saves its checkpoint when its parent dies, to let go of the folder."""


def run(root: Path, experiments: Experiments, spec: RunSpec, runner: str = "venv") -> int:
    """Run one SPEC to its end; returns the trainer's exit code (128 + n if signal n ended it).

    runner: `venv` for the paper's environment, `docker` for its image. Raises ConfigError where that is missing.
    """
    directory = run_directory(root, spec)
    words = train_arguments(experiments, spec)
    python = paper_python(root, spec.paper) if runner == "venv" else None
    stop_with_parent()
    hold(directory, WAIT_FOR_OWNER_S).close()
    threads = str(experiments.papers[spec.paper].threads)
    with gpus.taken() as gpu, next_attempt_log(directory).open("w") as log:
        added = {LOG_IS_KEPT: "1", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads}
        if python:
            command = [str(python), "-m", spec.paper, *words, "--run-dir", str(directory)]
        else:
            cards = gpu or {key: os.environ[key] for key in ("CUDA_VISIBLE_DEVICES",) if os.environ.get(key)}
            given = [f"{key}={value}" for key, value in added.items()]
            command = containers.train_command(root, directory, spec.paper, words, cards, given)
        environment = {**os.environ, **gpu, **added}
        trainer = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=environment, process_group=0, preexec_fn=stop_with_parent,
        )  # fmt: skip
        pass_signals_on(trainer)
        code = trainer.wait()
    if code != 0:
        print(f"mirl: {spec} {why(directory, code)}; see {log.name}", file=sys.stderr)
    return 128 - code if code < 0 else code


def train_arguments(experiments: Experiments, spec: RunSpec) -> list[str]:
    """`train …` without the run directory, from what reproduce.yaml registers for the SPEC."""
    entry = experiments.papers[spec.paper]
    fields = registered_fields(experiments, spec)
    arguments = ["train", "--task", spec.task, "--method", spec.method, "--seed", str(spec.seed)]
    arguments += ["--fidelity", str(fields.pop("fidelity", entry.fidelity))]
    if spec.variant:
        arguments += ["--variant", spec.variant]
    for field, value in fields.items():
        arguments += option_words(field, value)
    return arguments


def registered_fields(experiments: Experiments, spec: RunSpec) -> dict[str, Any]:
    """The config fields that reproduce.yaml sets for a SPEC: budget first, then its overrides, then the variant's."""
    entry = experiments.papers[spec.paper]
    budget = entry.tasks[spec.task].budgets[spec.budget].of(spec.method)
    variant = entry.variants[spec.variant] if spec.variant else {}
    return {"total_env_steps": budget.env_steps, "threads": entry.threads, **budget.overrides, **variant}


def option_words(field: str, value: Any) -> list[str]:
    """A config field as command line words: booleans as --flag or --no-flag, lists as several words."""
    if isinstance(value, bool):
        return [option_of(field) if value else option_of(f"no_{field}")]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [option_of(field), *(str(one) for one in values)]


def paper_python(root: Path, paper: str) -> Path:
    """The interpreter of a paper's environment; raises ConfigError where it is not set up."""
    python = root / "papers" / paper / ".venv/bin/python"
    if not python.exists():
        raise ConfigError(f"papers/{paper}/.venv is not set up; run: make setup PAPER={paper}")
    return python


def pass_signals_on(trainer: subprocess.Popen[bytes]) -> None:
    """Hand SIGTERM and SIGINT to the trainer's process group, which saves a checkpoint and ends."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        if trainer.poll() is None:
            os.killpg(trainer.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)


def why(directory: Path, code: int) -> str:
    """How a trainer ended, in its own words where it left any."""
    record = read_record(directory)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    last = record["attempts"][-1] if record else {}
    return f"{last.get('status', 'failed')}: {last.get('reason', f'exit code {code}')}"
