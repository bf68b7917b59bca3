"""What is asked of Slurm besides submitting, which Snakemake does: its queue, its signals, a dead driver's jobs."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirl.config import ConfigError
from mirl.suite import venvs
from mirl.suite.cluster import Slurm
from mirl.suite.selection import RunSpec

PLUGIN = "snakemake_executor_plugin_slurm"
PATIENCE_S = 60.0
"""How long a command of Slurm may take to answer."""


@dataclass(frozen=True)
class Job:
    """A job of ours that is in the queue."""

    number: str
    state: str
    run: str
    """The SPEC's parts as Snakemake's plugin writes them into a job's comment."""


def prepare(root: Path) -> None:
    """Raises ConfigError where there is no Slurm to submit to; installs Snakemake's plugin where it is missing."""
    for program in ("sbatch", "squeue", "scancel", "scontrol"):
        if not shutil.which(program):
            raise ConfigError(
                f"--executor slurm needs {program}, which is not here; use a host that has Slurm's client"
            )
    if importlib.util.find_spec(PLUGIN) is None:
        listing = root / "common/requirements-slurm.txt"
        try:
            venvs.pip(Path(sys.executable), "--require-hashes", "--no-deps", "--requirement", str(listing))
        except venvs.SetupError as error:
            raise ConfigError(f"installing Snakemake's Slurm plugin: {error}") from None
        importlib.invalidate_caches()


def words(settings: Slurm, root: Path) -> list[str]:
    """Options of Snakemake's plugin."""
    options = [
        "--executor", "slurm", "--slurm-requeue", "--slurm-jobname-prefix", job_prefix(root),
        "--slurm-init-seconds-before-status-checks", str(settings.poll_s),
        "--slurm-status-command", "sacct" if has_accounting() else "squeue",
    ]  # fmt: skip
    if settings.qos:
        options += ["--slurm-qos", settings.qos]
    return options if settings.account else [*options, "--slurm-no-account"]


def job_prefix(root: Path) -> str:
    """What the names of all jobs of this results folder begin with."""
    return f"mirl-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"


def has_accounting() -> bool:
    """Whether Slurm keeps a record of jobs that have ended, which sacct reads."""
    return "AccountingStorageType=accounting_storage/none" not in ask("scontrol", "show", "config").replace(" ", "")


def queue(root: Path) -> list[Job]:
    """The jobs of this results folder that have not ended."""
    printed = ask("squeue", "--noheader", "--format", "%i|%T|%j|%k")
    jobs = []
    for line in printed.splitlines():
        number, state, name, comment = line.split("|", 3)
        if name.startswith(job_prefix(root)):
            jobs.append(Job(number, state, comment))
    return jobs


def comment_of(spec: RunSpec) -> str:
    """What the plugin writes into the comment of a run's job."""
    parts = (spec.budget, spec.paper, spec.task, spec.labelled_method, str(spec.seed))
    return "rule_train_wildcards_" + "_".join(parts)


def take_over(root: Path, specs: Iterable[RunSpec]) -> dict[str, list[str]]:
    """Deal with the jobs that a dead driver left in the queue; returns those that run, by SPEC.

    Jobs that have not begun are withdrawn: their runs will be submitted again. Those that run go on.
    """
    withdraw(root)
    running: dict[str, list[str]] = {}
    for job in queue(root):
        running.setdefault(job.run, []).append(job.number)
    return {str(spec): running[comment_of(spec)] for spec in specs if comment_of(spec) in running}


def withdraw(root: Path) -> None:
    """Take jobs that have not begun out of the queue."""
    cancel([job.number for job in queue(root) if job.state == "PENDING"], "--state=PENDING")


def stop(root: Path) -> None:
    """Withdraw what waits; what runs saves a checkpoint and ends."""
    withdraw(root)
    cancel([job.number for job in queue(root)], "--signal=TERM")


def cancel(numbers: Sequence[str], *options: str) -> None:
    if numbers:
        ask("scancel", *options, *numbers, may_fail=True)  # a job may have ended in the meantime


def put_back() -> None:
    """Put the job that this process runs in back into the queue; it begins again once all of it has ended."""
    number = os.environ.get("SLURM_JOB_ID")
    if number:
        ask("scontrol", "requeue", number, may_fail=True)
        time.sleep(PATIENCE_S)  # Slurm ends us; to end before would make the job a failed one


def ask(*command: str, may_fail: bool = False) -> str:
    """What a command of Slurm prints; raises ConfigError where it fails, with its own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{command[0]} gave no answer within {PATIENCE_S:.0f} s") from None
    if done.returncode != 0 and not may_fail:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise ConfigError(f"{command[0]} failed: {said}")
    return done.stdout
