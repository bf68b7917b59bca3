"""Snakemake as the engine: it orders, skips, retries and submits runs; this module starts and stops it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import psutil

from mirl.files import write_json
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.orphans import die_with_parent

SNAKEFILE = Path(__file__).parent / "workflow/Snakefile"
POLL_S = 0.5


def run_all(
    root: Path,
    experiments: Experiments,
    specs: Sequence[RunSpec],
    jobs: int,
    retries: int,
    runner: str,
    clear_lock: bool,
    watch: Callable[[], None],
) -> int:
    """Run the specs, `jobs` at a time, until all have ended; `watch` is called twice a second meanwhile.

    Returns Snakemake's exit code: 0 where every run finished. SIGTERM and SIGINT let no new run begin and ask the
    running ones to save a checkpoint and end.
    """
    folder = root / "results/runs"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / ".workflow.json"
    write_json(config, workflow_config(root, experiments, specs, runner))
    threads = max(experiments.papers[spec.paper].threads for spec in specs)
    if clear_lock:
        snakemake(folder, config, "--unlock").wait()
    engine = snakemake(
        folder, config, "--cores", str(jobs * threads), "--jobs", str(jobs), "--keep-going",
        "--retries", str(retries), "--rerun-incomplete", "--rerun-triggers", "mtime", "params", "input",
    )  # fmt: skip
    with stopped_by_signals(engine):
        while engine.poll() is None:
            watch()
            time.sleep(POLL_S)
        watch()
    return engine.returncode


def workflow_config(root: Path, experiments: Experiments, specs: Sequence[RunSpec], runner: str) -> dict[str, object]:
    """What the Snakefile needs to know."""
    papers = {spec.paper: experiments.papers[spec.paper] for spec in specs}
    mirl = [sys.executable, "-m", "mirl.suite.cli", "run", "--root", str(root), "--runner", runner]
    return {
        "specs": [str(spec) for spec in specs],
        "threads": {name: entry.threads for name, entry in papers.items()},
        "memory": {str(spec): papers[spec.paper].tasks[spec.task].cost[spec.method].memory_mib for spec in specs},
        "mirl": shlex.join(mirl),
    }


def log_path(root: Path) -> Path:
    """What Snakemake said, of all drives of this results folder."""
    return root / "results/runs/engine.log"


def snakemake(folder: Path, config: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Snakemake in a process group of its own, so that Ctrl-C reaches it only through us."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(folder),
        "--configfile", str(config), "--nocolor", "--quiet", "progress", *arguments,
    ]  # fmt: skip
    with (folder / "engine.log").open("a") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_parent
        )


class stopped_by_signals:  # noqa: N801
    """While entered, SIGTERM and SIGINT stop the engine: nothing new begins, running trainers save and end."""

    def __init__(self, engine: subprocess.Popen[bytes]) -> None:
        self.engine = engine

    def __enter__(self) -> None:
        self.before = {number: signal.signal(number, self.stop) for number in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def stop(self, number: int, frame: FrameType | None) -> None:
        if self.engine.poll() is not None:
            return
        print("stopping: running experiments save a checkpoint; the same command continues", file=sys.stderr)
        descendants = psutil.Process(self.engine.pid).children(recursive=True)
        os.kill(self.engine.pid, signal.SIGTERM)  # Snakemake begins nothing new and waits for what runs
        for process in descendants:
            if is_runner(process):
                process.send_signal(signal.SIGTERM)


def is_runner(process: psutil.Process) -> bool:
    """True for a `mirl run` process, which hands signals on to its trainer."""
    try:
        return process.cmdline()[1:4] == ["-m", "mirl.suite.cli", "run"]
    except psutil.Error:
        return False
