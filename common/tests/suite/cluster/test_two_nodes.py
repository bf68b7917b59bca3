"""Two nodes of a real Slurm: a node that dies, one that is cut off, a driver that dies, time limits, and stopping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import judged, repository
from processes import Trainer, trainers
from slurm_host import SlurmHost, wait_until

from toy.driver import record, rows

pytestmark = pytest.mark.cluster

SLOW = ("reproduce", "--paper", "toy", "--method", "drift@slow", "--executor", "slurm")


def begin(root: Path, *words: str) -> subprocess.Popen[str]:
    """Start a driver in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mirl.suite.cli", *words],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0,
    )  # fmt: skip


def end(driver: subprocess.Popen[str], limit_s: float = 1200) -> str:
    """Wait for a driver that is to finish everything; returns what it said."""
    said, _ = driver.communicate(timeout=limit_s)
    assert driver.returncode == 0, said
    return said


def run_directories(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("results/runs/*/*/*/*/seed*/run.json"))


def begun(root: Path) -> list[Trainer]:
    """The trainers that run and have a checkpoint."""
    return [trainer for trainer in trainers(root) if has_begun(trainer.directory)]


def node_of(trainer: Trainer) -> str:
    return trainer.environment["SLURMD_NODENAME"]


def has_begun(directory: Path) -> bool:
    """It has a checkpoint, and is not finished."""
    return (directory / "checkpoint/latest.json").exists() and not (directory / "manifest.json").exists()


def times_finished(directory: Path) -> int:
    return sum(log.read_text().count(" is finished after ") for log in directory.glob("attempt-*.log"))


def attempts(directory: Path) -> list[str]:
    """How each attempt ended."""
    return [attempt["status"] for attempt in record(directory)["attempts"]]


def test_a_node_dies_and_every_run_is_finished_once_with_the_verdicts_of_this_host(
    slurm: SlurmHost, finished_here: tuple[Path, str], tmp_path: Path
):
    slurm.wait_until_idle()
    root = repository(tmp_path / "repository")
    driver = begin(root, "reproduce", "--all", "--budget", "tiny", "--executor", "slurm")
    on_b: set[Path] = set()

    def somebody_on_b_has_a_checkpoint() -> bool:
        places = [(node_of(trainer), trainer.card) for trainer in trainers(root)]
        assert len(places) == len(set(places)), "two runs on one GPU"
        on_b.clear()
        on_b.update(trainer.directory for trainer in begun(root) if node_of(trainer) == "mirl-b")
        return bool(on_b)

    wait_until(somebody_on_b_has_a_checkpoint, 600)
    slurm.lose_node("mirl-b")
    assert not [trainer for trainer in trainers(root) if node_of(trainer) == "mirl-b"]
    interrupted = {directory for directory in on_b if not (directory / "manifest.json").exists()}
    steps_before = {directory: checkpoint_step(directory) for directory in interrupted}
    assert interrupted
    end(driver)

    directories = run_directories(root)
    assert len(directories) == 12
    assert all((directory / "manifest.json").exists() for directory in directories)
    assert {times_finished(directory) for directory in directories} == {1}
    for directory, step in steps_before.items():
        assert attempts(directory) == ["killed", "finished"]
        assert continued_from(directory) >= step > 0
    here, verdicts_here = finished_here
    for directory in directories:
        assert rows(directory) == rows(here / directory.relative_to(root))
    assert judged(root, "slurm") == verdicts_here


def checkpoint_step(directory: Path) -> int:
    step: int = json.loads((directory / "checkpoint/latest.json").read_text())["env_step"]
    return step


def continued_from(directory: Path) -> int:
    """The env step at which the last attempt went on; 0 where it began anew."""
    log = max(directory.glob("attempt-*.log"), key=lambda path: int(path.stem.split("-")[1]))
    said = [line for line in log.read_text().splitlines() if line.startswith("continuing ")]
    return int(said[0].rsplit(" ", 1)[1].replace(",", "")) if said else 0


def test_a_node_that_is_cut_off_finishes_its_run_and_nobody_repeats_it(slurm: SlurmHost, root: Path):
    driver = begin(root, *SLOW, "--budget", "tiny", "--seeds", "0")
    wait_until(lambda: begun(root), 300)
    [trainer] = begun(root)
    slurm.cut_off_node(node_of(trainer))
    end(driver)
    directory = trainer.directory
    assert attempts(directory) == ["finished"]
    assert times_finished(directory) == 1


def test_a_killed_driver_is_replaced_without_unlocking_and_nothing_is_done_twice(slurm: SlurmHost, root: Path):
    words = (*SLOW, "--budget", "tiny", "--seeds", "0,1,2,3,4,5")
    first = begin(root, *words)
    wait_until(lambda: len(begun(root)) == 4, 300)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    wait_until(lambda: not engines(root), 10)
    second = begin(root, *words)
    said = end(second)
    assert "4 runs of an earlier drive go on in the queue" in said
    directories = run_directories(root)
    assert len(directories) == 6
    assert {times_finished(directory) for directory in directories} == {1}
    assert all(attempts(directory) == ["finished"] for directory in directories)
    assert not slurm.queue()


def engines(root: Path) -> list[psutil.Process]:
    """Every Snakemake that works in this results folder and submits."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "snakemake" in words and str(root / "results/runs") in words and "--slurm-requeue" in words:
            found.append(process)
    return found


def test_a_stopped_driver_saves_what_runs_and_withdraws_what_waits(slurm: SlurmHost, root: Path):
    words = (*SLOW, "--budget", "tiny", "--seeds", "0,1,2,3,4,5")
    driver = begin(root, *words)
    wait_until(lambda: len(begun(root)) == 4, 300)
    shown = subprocess.run([sys.executable, "-m", "mirl.suite.cli", "status"], cwd=root, capture_output=True, text=True)
    assert shown.stdout.splitlines()[-1] == "4 running"
    os.kill(driver.pid, signal.SIGTERM)
    said, _ = driver.communicate(timeout=200)
    assert driver.returncode == 1
    assert "the same command continues" in said
    assert not slurm.queue()
    directories = run_directories(root)
    assert [attempts(directory) for directory in directories] == [["interrupted"]] * 4
    end(begin(root, *words))
    assert [attempts(directory)[-1] for directory in run_directories(root)] == ["finished"] * 6
    assert {times_finished(directory) for directory in run_directories(root)} == {1}


def test_a_run_that_nears_its_limit_saves_and_goes_back_into_the_queue(slurm: SlurmHost, root: Path):
    path = root / "reproduce.yaml"
    path.write_text(path.read_text().replace("seconds_per_step: 0.2", "seconds_per_step: 0.4"))
    began = time.monotonic()
    end(begin(root, *SLOW, "--budget", "workstation", "--seeds", "0"))
    assert time.monotonic() - began > 120  # the limit is two minutes, the run takes 160 s
    [directory] = run_directories(root)
    *earlier, last = attempts(directory)
    assert last == "finished"
    assert earlier
    assert set(earlier) == {"interrupted"}
    assert continued_from(directory) > 0
    assert (root / "results/runs/engine.log").read_text().count("has been submitted with SLURM jobid") == 1
    plain = ("reproduce", "--paper", "toy", "--method", "drift", "--budget", "workstation", "--seeds", "0")
    end(begin(root, *plain))
    assert rows(directory) == rows(Path(str(directory).replace("drift@slow", "drift")))


def test_one_run_by_hand_gives_the_same_rows_as_one_that_slurm_ran(slurm: SlurmHost, root: Path):
    end(
        begin(
            root,
            "reproduce",
            "--paper",
            "toy",
            "--method",
            "drift",
            "--seeds",
            "0",
            "--budget",
            "tiny",
            "--executor",
            "slurm",
        )
    )
    [directory] = run_directories(root)
    by_slurm = rows(directory)
    (root / "results").rename(root / "by_slurm")
    end(begin(root, "run", "tiny/toy/line/drift/seed0"))
    assert rows(directory) == by_slurm


def test_a_fault_in_cluster_yaml_is_one_line(slurm: SlurmHost, root: Path):
    path = root / "cluster.yaml"
    path.write_text(path.read_text().replace('"gpu:1"', '"gpu 1"'))
    driver = begin(root, *SLOW, "--budget", "tiny")
    said, _ = driver.communicate(timeout=200)
    assert driver.returncode == 2
    assert said.count("\n") == 1
    assert "slurm.gres" in said


@pytest.mark.parametrize("told", ["the driver alone", "every process of the step"])
def test_a_drive_inside_somebody_s_srun_step_hears_its_stop(slurm: SlurmHost, root: Path, told: str):
    """As in a shell of `srun --pty bash`: Slurm's variables are there, and our executor did not begin the run."""
    words = ("reproduce", "--paper", "toy", "--method", "drift@slow", "--budget", "tiny", "--seeds", "0")
    step = subprocess.Popen(
        ["srun", "--gres=gpu:2", sys.executable, "-m", "mirl.suite.cli", *words],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0,
    )  # fmt: skip
    wait_until(lambda: begun(root), 300)
    [trainer] = begun(root)
    if told == "the driver alone":
        [driver] = [
            one for one in trainer.process.parents() if "reproduce" in one.cmdline() and "srun" not in one.cmdline()
        ]
        driver.terminate()
    else:
        [number] = slurm.queue()
        subprocess.run(["scancel", "--signal=TERM", number], check=True)
    said, _ = step.communicate(timeout=200)
    assert "stopped as asked; 0 of 1 runs are finished" in said
    assert attempts(trainer.directory) == ["interrupted"]
    assert checkpoint_step(trainer.directory) > 0
    end(begin(root, *words))
    assert attempts(trainer.directory) == ["interrupted", "finished"]
