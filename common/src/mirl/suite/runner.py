"""`mirl run SPEC`: one training process, its log, its GPU and its signals. Nothing else is kept here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from mirl.attempt_log import LOG_IS_KEPT, last_words, next_attempt_log
from mirl.cards import VISIBLE, all_cards, visible_cards
from mirl.config import ConfigError, option_of
from mirl.folder import hold, read_record
from mirl.signals import STOP_SIGNALS
from mirl.suite import containers, gpus, slurm, venvs
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import damage, is_finished, set_aside_broken
from mirl.suite.orphans import stop_with_parent, wait_for_group
from mirl.suite.results import run_directory
from mirl.suite.selection import RunSpec, registered_fields

LIMIT_SIGNAL = signal.SIGURG
"""Says that a scheduler's time limit is near. Who does not ask for it ignores it, so it may go to all of a job."""


class LimitIsNear(Exception):  # noqa: N818
    """LIMIT_SIGNAL came before there was a trainer to stop."""


def run(
    root: Path,
    experiments: Experiments,
    spec: RunSpec,
    runs_a_gpu: int = 1,
    wait_s: float = 0.0,
    patience_s: float = 120.0,
    parent: int | None = None,
    runner: str = "venv",
    in_slurm_job: bool = False,
) -> int:
    """Run one SPEC to its end; returns the trainer's exit code (128 + n if signal n ended it), 0 where it is finished.

    Waits `wait_s` seconds first, then up to `patience_s` for another process to let go of the run directory. A run that
    its scheduler's time limit stopped is put back into the queue. `parent`: who started it, and with whom it ends.
    `runner`: `venv` for the paper's environment, `docker` for its image; raises ConfigError where that is missing.
    `in_slurm_job`: our Slurm executor started it; Slurm hands out GPUs and signals every process itself. Its variables
    do not say so: whoever works inside somebody's job has them too.
    """
    stop_with_parent(parent)
    relay = SignalRelay(all_hear_signals=in_slurm_job)
    cards = nullcontext(gpus.Share()) if in_slurm_job else gpus.taken(runs_a_gpu, str(spec))
    try:
        time.sleep(wait_s)
        code = train(root, experiments, spec, cards, patience_s, relay, runner)
    except LimitIsNear:
        code = 128 + LIMIT_SIGNAL
    if code and relay.limit_is_near and in_slurm_job:
        slurm.put_back()
    return code


def train(
    root: Path,
    experiments: Experiments,
    spec: RunSpec,
    cards: AbstractContextManager[gpus.Share],
    patience_s: float,
    relay: SignalRelay,
    runner: str,
) -> int:
    """One try: the trainer with its log and its GPU."""
    directory, words = run_directory(root, spec), train_arguments(experiments, spec)
    device = device_here() if runner == "docker" else ""
    image = containers.require_image(spec.paper, device) if device else None
    start = (
        [] if image else [str(paper_python(root, spec.paper)), "-m", spec.paper, *words, "--run-dir", str(directory)]
    )
    if image:
        if device == "gpu":
            containers.refuse_without_toolkit(image.tool)
        containers.end_leftover(image, directory)
    hold(directory, patience_s).close()
    if is_finished(directory):
        if damaged := damage(directory, spec):
            raise damaged
        print(f"{spec} is finished: nothing to do")
        return 0
    if told := set_aside_broken(directory):
        print(f"{spec}: {told}")
    with cards as share, next_attempt_log(directory).open("w") as log:
        threads = str(experiments.papers[spec.paper].threads)
        added = {LOG_IS_KEPT: "1", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads}
        environment = {**venvs.clean_environment(), **share.environment}
        if image:
            given = environment.get(VISIBLE, "") if device == "gpu" else ""
            start = containers.train_command(image, root, directory, words, given, added)
        relay.trainer = trainer = subprocess.Popen(
            start, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=share.locks,
            env={**environment, **added}, process_group=0,
            preexec_fn=partial(stop_with_parent, os.getpid()),
        )  # fmt: skip
        code = wait_for_group(trainer)
    if code != 0:
        print(f"mirl: {spec} {why(directory, code)}; see {log.name}", file=sys.stderr)
    return 128 - code if code < 0 else code


def device_here() -> str:
    """The image's device for this host: gpu where a run gets one."""
    cards = all_cards()
    chosen = os.environ.get(VISIBLE, "").strip() not in ("", "-1")  # by a scheduler, where nvidia-smi is not at hand
    return "gpu" if visible_cards(cards) or (chosen and not cards) else "cpu"


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


class SignalRelay:
    """Hands SIGTERM and SIGINT to the trainer's process group, which saves a checkpoint and ends.

    Not in a job of our Slurm executor, whose signals reach every process of it. LIMIT_SIGNAL, which a trainer ignores,
    becomes SIGTERM.
    """

    def __init__(self, all_hear_signals: bool) -> None:
        self.all_hear_signals = all_hear_signals
        self.trainer: subprocess.Popen[bytes] | None = None
        self.limit_is_near = False
        signal.signal(LIMIT_SIGNAL, self.at_limit)
        for number in STOP_SIGNALS:
            signal.signal(number, self.hand_on)

    def hand_on(self, number: int, frame: FrameType | None) -> None:
        if self.trainer is None:
            raise SystemExit(128 + number)
        if not self.all_hear_signals:
            self.tell_trainer(number)

    def at_limit(self, number: int, frame: FrameType | None) -> None:
        self.limit_is_near = True
        if self.trainer is None:
            raise LimitIsNear
        self.tell_trainer(signal.SIGTERM)

    def tell_trainer(self, number: int) -> None:
        if self.trainer and self.trainer.returncode is None:  # not reaped: the group is still its own
            os.killpg(self.trainer.pid, number)


def why(directory: Path, code: int) -> str:
    """How a trainer ended, in its own words where it left any."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    record = read_record(directory)
    if record is None:
        return f"failed before it began: {last_words(directory) or f'exit code {code}'}"
    last = record["attempts"][-1]
    return f"{last['status']}: {last.get('reason', f'exit code {code}')}"
