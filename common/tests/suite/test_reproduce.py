"""From one command to finished runs, through the real command line, engine and trainers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toy.driver import wait_until

TINY = ("reproduce", "--paper", "toy", "--budget", "tiny")
SLOW = (*TINY, "--method", "drift@slow", "--seeds", "0,1")


def rows(directory: Path) -> list[tuple[str, ...]]:
    """(env_step, name, value) of everything but times."""
    with (directory / "metrics.csv").open(newline="") as stream:
        return [
            (row["env_step"], row["name"], row["value"])
            for row in csv.DictReader(stream)
            if not row["name"].startswith("time/")
        ]


def runs(root: Path, method: str) -> list[Path]:
    return [root / f"results/runs/tiny/toy/line/{method}/seed{seed}" for seed in (0, 1)]


def begin(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mirl.suite.cli", *words],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0,
    )  # fmt: skip


def has_checkpoint(directory: Path) -> bool:
    latest = directory / "checkpoint/latest.json"
    return latest.exists() and json.loads(latest.read_text())["env_step"] >= 40


@pytest.fixture
def begun(root: Path) -> subprocess.Popen[str]:
    """Two slow runs, both past their second checkpoint."""
    driver = begin(root, *SLOW, "--jobs", "2")
    wait_until(lambda: all(has_checkpoint(directory) for directory in runs(root, "drift@slow")))
    return driver


def test_one_command_runs_everything_and_the_next_finds_nothing_to_do(mirl, root: Path):
    done = mirl(*TINY)
    assert done.returncode == 0, done.stderr
    assert all(
        (directory / "manifest.json").exists()
        for method in ("random_walk", "drift")
        for directory in runs(root, method)
    )
    again = mirl(*TINY)
    assert again.returncode == 0
    assert "nothing to do: 4 of 4 runs are finished" in again.stdout


def test_a_run_that_fails_is_named_with_its_reason_and_the_others_go_on(mirl, root: Path):
    done = mirl(*TINY, "--method", "drift@broken")
    assert done.returncode == 1
    assert done.stdout.count("became nan at env step 100") >= 2
    assert "2 of 2 runs are not finished" in done.stdout
    assert not list(root.glob("results/runs/**/manifest.json"))
    assert mirl(*TINY, "--method", "random_walk").returncode == 0


def test_a_stopped_drive_saves_and_the_same_command_ends_as_if_never_stopped(mirl, root: Path, begun):
    os.kill(begun.pid, signal.SIGTERM)
    _, complaint = begun.communicate(timeout=60)
    assert begun.returncode == 1
    assert "the same command continues" in complaint
    for directory in runs(root, "drift@slow"):
        assert json.loads((directory / "run.json").read_text())["status"] == "interrupted"
    ends_as_if_never_stopped(mirl, root)


def test_a_killed_drive_leaves_no_orphan_and_needs_no_unlocking(mirl, root: Path, begun):
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate(timeout=60)
    ends_as_if_never_stopped(mirl, root)


def ends_as_if_never_stopped(mirl, root: Path) -> None:
    done = mirl(*SLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (root / "results/runs/.driver.json").exists()
    continued = [rows(directory) for directory in runs(root, "drift@slow")]
    assert all(len(json.loads((one / "run.json").read_text())["attempts"]) == 2 for one in runs(root, "drift@slow"))
    assert mirl(*TINY, "--method", "drift").returncode == 0  # the same run, never stopped
    assert continued == [rows(directory) for directory in runs(root, "drift")]


def test_a_second_drive_of_the_same_folder_is_refused_in_one_line(mirl, begun):
    second = mirl(*SLOW)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "is driven by another mirl reproduce" in second.stderr
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate(timeout=60)


def test_a_run_of_another_registration_is_neither_continued_nor_counted(mirl, root: Path):
    assert mirl(*TINY, "--method", "drift", "--seeds", "0").returncode == 0
    path = root / "reproduce.yaml"
    path.write_text(path.read_text().replace("env_steps: 200", "env_steps: 240"))
    refused = mirl(*TINY, "--method", "drift", "--seeds", "0")
    assert refused.returncode == 2
    assert "was started with total_env_steps=200, reproduce.yaml now says 240" in refused.stderr


def test_mirl_run_gives_the_same_rows_as_the_engine(mirl, root: Path):
    assert mirl("run", "tiny/toy/line/drift/seed0").returncode == 0
    by_hand = rows(runs(root, "drift")[0])
    (root / "results").rename(root / "by_hand")
    assert mirl(*TINY, "--method", "drift", "--seeds", "0").returncode == 0
    assert rows(runs(root, "drift")[0]) == by_hand


def test_a_paper_that_is_not_set_up_is_one_line_with_the_command_that_mends_it(mirl, root: Path):
    (root / "papers/toy/.venv/bin/python").unlink()
    refused = mirl("run", "tiny/toy/line/drift/seed0")
    assert refused.returncode == 2
    assert refused.stderr == "mirl: papers/toy/.venv is not set up; run: make setup PAPER=toy\n"


def test_every_try_of_a_run_keeps_its_log(mirl, root: Path):
    assert mirl(*TINY, "--method", "drift@broken", "--seeds", "0", "--retries", "1").returncode == 1
    logs = sorted(runs(root, "drift@broken")[0].glob("attempt-*.log"))
    assert [log.name for log in logs] == ["attempt-1.log", "attempt-2.log"]
    assert all("became nan" in log.read_text() for log in logs)


def test_status_shows_what_was_begun(mirl):
    assert mirl("status").stdout == "nothing was begun yet\n"
    assert mirl(*TINY, "--method", "drift", "--seeds", "0").returncode == 0
    shown = mirl("status", "--paper", "toy", "--budget", "tiny").stdout
    assert "tiny/toy/line/drift/seed0" in shown
    assert "finished" in shown
