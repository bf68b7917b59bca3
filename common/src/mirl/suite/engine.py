"""Snakemake as the engine: it orders, skips, retries and submits runs; this module starts and stops it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from mirl.config import ConfigError
from mirl.files import write_atomically
from mirl.signals import STOP_SIGNALS
from mirl.suite.executors import Executor
from mirl.suite.experiments import Experiments
from mirl.suite.orphans import die_with_parent
from mirl.suite.selection import RunSpec

SNAKEFILE = Path(__file__).parent / "workflow/Snakefile"
POLL_S = 0.5


@dataclass(frozen=True)
class Ended:
    """How a drive ended."""

    code: int
    """Snakemake's exit code: 0 where every run finished."""
    was_stopped: bool
    """Somebody asked for it."""
    complaint: str
    """The last line that one of our own commands wrote into the engine's log, '' where there is none."""


def run_all(
    root: Path, experiments: Experiments, specs: Sequence[RunSpec], executor: Executor, watch: Callable[[], None]
) -> Ended:
    """Run the specs until all have ended; `watch` is called twice a second meanwhile.

    SIGTERM and SIGINT let no new run begin and ask the running ones to save a checkpoint and end.
    """
    folder = folder_of(root)
    with (folder / "engine.log").open("a") as log:
        log_began = log.tell()
        engine = subprocess.Popen(
            command(folder, write_config(folder, workflow_config(root, experiments, specs, executor)), executor),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches it only through us
            preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
    idle_s = 0.0
    with stopped_by_signals(engine, executor) as stopping:
        while engine.poll() is None:
            watch()
            idle_s = idle_s + POLL_S if stopping.is_asked and executor.is_idle(engine.pid) else 0.0
            if idle_s > executor.idle_s:
                engine.kill()  # it has nothing to save
            time.sleep(POLL_S)
        watch()
    with (folder / "engine.log").open("rb") as read:
        read.seek(log_began)
        ours = [line for line in read.read().decode(errors="replace").splitlines() if line.startswith("mirl: ")]
    complaint = ours[-1].removeprefix("mirl: ") if ours else ""
    return Ended(engine.returncode, stopping.is_asked, complaint)


def dry_run(root: Path, experiments: Experiments, specs: Sequence[RunSpec], executor: Executor) -> tuple[int, str]:
    """What Snakemake would start: its exit code and its own words. Nothing is started."""
    folder = folder_of(root)
    config = write_config(folder, workflow_config(root, experiments, specs, executor))
    planned = subprocess.run(
        [*command(folder, config, executor), "--dry-run"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return planned.returncode, planned.stdout + planned.stderr


def folder_of(root: Path) -> Path:
    """Where the engine works, made if need be."""
    folder = root / "results/runs"
    if folder.is_symlink() and not folder.is_dir():
        raise ConfigError(f"{folder} is a link to {os.readlink(folder)}, which is no folder here")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_path(root: Path) -> Path:
    """What Snakemake said, of all drives of this results folder."""
    return root / "results/runs/engine.log"


def workflow_config(
    root: Path, experiments: Experiments, specs: Sequence[RunSpec], executor: Executor
) -> dict[str, object]:
    """What the Snakefile needs to know."""
    mirl = [sys.executable, "-m", "mirl.suite.cli", "run", "--root", str(root), *executor.run_words]
    return {
        "specs": [str(spec) for spec in specs],
        "threads": {spec.paper: experiments.papers[spec.paper].threads for spec in specs},
        "resources": {str(spec): executor.resources[str(spec)] for spec in specs},
        "retry_wait_s": executor.retry_wait_s,
        "mirl": shlex.join(mirl),
    }


def write_config(folder: Path, config: Mapping[str, Any]) -> Path:
    """A file of its own for each drive: jobs in a queue read theirs when they begin, after other drives it may be."""
    content = json.dumps(config, indent=1)
    path = folder / f".drives/{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, content)
    return path


def command(folder: Path, config: Path, executor: Executor) -> list[str]:
    """Snakemake's command line.

    Its own lock is not used: ours keeps a second driver out, and needs no unlocking after a kill. Runs do not depend on
    each other, so the greedy scheduler is as good as the one that solves an integer program over all of them.
    """
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(folder),
        "--configfile", str(config), "--nocolor", "--quiet", "progress", "--nolock", "--scheduler", "greedy",
        "--keep-going", "--keep-incomplete", "--rerun-incomplete", "--rerun-triggers", "mtime", "params", "input",
        "--retries", str(executor.retries), "--jobs", str(executor.jobs), *executor.words,
    ]  # fmt: skip


class stopped_by_signals:  # noqa: N801
    """While entered, SIGTERM and SIGINT stop the engine: nothing new begins, running trainers save and end."""

    def __init__(self, engine: subprocess.Popen[bytes], executor: Executor) -> None:
        self.engine, self.executor = engine, executor
        self.is_asked = False

    def __enter__(self) -> stopped_by_signals:
        self.before = {number: signal.signal(number, self.stop) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def stop(self, number: int, frame: FrameType | None) -> None:
        if self.engine.poll() is not None:
            return
        print("stopping: running experiments save a checkpoint; the same command continues", file=sys.stderr)
        os.kill(self.engine.pid, signal.SIGTERM)  # Snakemake begins nothing new and waits for what runs
        self.executor.stop(psutil.Process(self.engine.pid))
        self.is_asked = True
