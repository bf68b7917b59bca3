"""Where runs are executed: on this host, on Slurm, or by another plugin of Snakemake. The files are the same."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mirl import cards
from mirl.config import ConfigError, choose
from mirl.suite import cluster, gpus, plan, slurm
from mirl.suite.experiments import Experiments
from mirl.suite.plan import Estimate

LOCAL_PATIENCE_S, CLUSTER_PATIENCE_S = 600.0, 86_400.0
"""How long a run waits for an earlier process of its own to let go of its folder. On this host that is an orphan which
saves its checkpoint; on a cluster it may run on a node that the scheduler has given up, to its end."""


@dataclass(frozen=True)
class Choices:
    """What a command line may say about how runs are executed; None is the executor's default."""

    executor: str = "local"
    jobs: int | None = None
    retries: int | None = None
    retry_wait_s: float = 30.0
    runs_a_gpu: int = 1
    dry_run: bool = False
    runner: str = "venv"
    """Where a run trains: `venv`, the paper's environment, or `docker`, its image."""


LOCAL = Choices()


@dataclass(frozen=True)
class Executor:
    """How Snakemake is to execute runs, and how what it started is stopped."""

    words: Sequence[str]
    """For Snakemake."""
    run_words: Sequence[str]
    """For `mirl run`."""
    resources: Mapping[str, Mapping[str, str | int]]
    """What each run asks for, by SPEC."""
    jobs: int
    """Runs at a time."""
    retries: int
    retry_wait_s: float
    """Seconds before the first retry; doubles with each."""
    stop: Callable[[psutil.Process], None]
    """Asks what runs, given the engine's process, to save a checkpoint and end."""
    is_idle: Callable[[int], bool] = lambda engine: False
    """True once nothing runs any more that the engine, a process id, has started; False where that is not known."""
    idle_s: float = 5.0
    """Seconds of that after which an engine that was asked to stop is ended: a signal that meets Snakemake while it
    holds its own lock makes it wait for itself for ever."""
    going_on: int = 0
    """Runs of a dead driver that go on by themselves and are waited for."""
    device: str | None = None
    """The build of the papers' environments; None: what this host has."""


def choose_executor(root: Path, experiments: Experiments, estimates: Sequence[Estimate], choices: Choices) -> Executor:
    """The executor of these runs; raises ConfigError for a name that nobody knows, or where it cannot be used."""
    if choices.executor.lower() == "local":
        return local(experiments, estimates, choices)
    if choices.runs_a_gpu != 1:
        raise ConfigError("--runs-per-gpu is for --executor local; elsewhere cluster.yaml says what a run gets")
    settings = cluster.load(root)
    name = choose("executor", choices.executor, ("local", "slurm", *settings.others))
    if name == "slurm":
        return on_slurm(root, settings.slurm, estimates, choices)
    return other(name, settings, estimates, choices)


def local(experiments: Experiments, estimates: Sequence[Estimate], choices: Choices) -> Executor:
    """On this host, as many at a time as its cores and GPUs carry."""
    specs = [one.spec for one in estimates]
    if choices.runs_a_gpu > 1 and not gpus.count():
        seen = cards.why_hidden(cards.all_cards()) or "nvidia-smi shows none here"
        raise ConfigError(f"--runs-per-gpu {choices.runs_a_gpu} needs a GPU, and {seen}")
    jobs = choices.jobs or plan.default_jobs(experiments, specs, choices.runs_a_gpu)
    threads = max(experiments.papers[spec.paper].threads for spec in specs)
    return Executor(
        words=["--cores", str(jobs * threads)],
        run_words=[
            "--runs-per-gpu",
            str(choices.runs_a_gpu),
            "--patience-s",
            str(LOCAL_PATIENCE_S),
            *runner_words(choices),
        ],
        resources=memory_of(estimates),
        jobs=jobs,
        retries=choices.retries or 0,
        retry_wait_s=choices.retry_wait_s,
        stop=stop_runners,
        is_idle=has_no_children,
    )


def on_slurm(root: Path, settings: cluster.Slurm, estimates: Sequence[Estimate], choices: Choices) -> Executor:
    """On the nodes of a Slurm cluster that shares this folder."""
    slurm.prepare(root)
    going_on = {} if choices.dry_run else slurm.take_over(root, [one.spec for one in estimates])
    return Executor(
        words=slurm.words(settings, root),
        run_words=["--in-slurm-job", "--patience-s", str(CLUSTER_PATIENCE_S), *runner_words(choices)],
        resources=cluster.requests(settings, estimates, going_on),
        jobs=choices.jobs or settings.jobs,
        retries=settings.retries if choices.retries is None else choices.retries,
        retry_wait_s=choices.retry_wait_s,
        stop=lambda engine: slurm.stop(root),
        is_idle=lambda engine: not slurm.queue(root),
        idle_s=0.0,  # it would find out at its next look at the queue
        going_on=len(going_on),
        device=settings.device,
    )


def other(name: str, settings: cluster.Cluster, estimates: Sequence[Estimate], choices: Choices) -> Executor:
    """By another plugin of Snakemake, with the words that cluster.yaml has for it. Stopping is left to the plugin."""
    return Executor(
        words=["--executor", name, *settings.others[name]],
        run_words=["--patience-s", str(CLUSTER_PATIENCE_S), *runner_words(choices)],
        resources=memory_of(estimates),
        jobs=choices.jobs or settings.slurm.jobs,
        retries=settings.slurm.retries if choices.retries is None else choices.retries,
        retry_wait_s=choices.retry_wait_s,
        stop=lambda engine: engine.send_signal(signal.SIGINT),
    )


def runner_words(choices: Choices) -> list[str]:
    return ["--runner", choices.runner]


def memory_of(estimates: Sequence[Estimate]) -> dict[str, dict[str, str | int]]:
    return {str(one.spec): {"mem_mb": one.memory_mib} for one in estimates}


def stop_runners(engine: psutil.Process) -> None:
    """SIGTERM to every `mirl run` below the engine, which hands it on to its trainer."""
    for process in engine.children(recursive=True):
        if is_runner(process):
            process.terminate()


def has_no_children(engine: int) -> bool:
    """True where a process that has not been reaped has started nothing that is still there."""
    return not psutil.Process(engine).children()


def is_runner(process: psutil.Process) -> bool:
    """True for a `mirl run` process, which hands signals on to its trainer."""
    try:
        return process.cmdline()[1:4] == ["-m", "mirl.suite.cli", "run"]
    except psutil.Error:
        return False
