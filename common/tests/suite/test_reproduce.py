"""From one command to finished runs, through the real command line, engine and trainers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from mirl.suite import engine, plan
from mirl.suite import experiments as registry
from mirl.suite.executors import Choices, choose_executor
from mirl.suite.selection import RunSpec
from toy.driver import contents, saved_step, wait_until
from toy.whole import write_manifest

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


def begin(root: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mirl.suite.cli", *words], env={**os.environ, **environment},
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0,
    )  # fmt: skip


def has_checkpoint(directory: Path) -> bool:
    latest = directory / "checkpoint/latest.json"
    return latest.exists() and json.loads(latest.read_text())["env_step"] >= 40


@pytest.fixture
def begun(root: Path) -> subprocess.Popen[str]:
    """Two slow runs, both past their second checkpoint, begun in a shell within somebody's Slurm job."""
    job = {"SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0"}
    driver = begin(root, *SLOW, "--jobs", "2", "--retries", "1", "--retry-wait-s", "0", **job)
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
    said, complaint = begun.communicate(timeout=60)
    assert begun.returncode == 1
    assert complaint == "stopping: running experiments save a checkpoint; the same command continues\n"
    assert said.splitlines()[-1] == (
        "stopped as asked; 0 of 2 runs are finished, the same command continues the others"
    )
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


def test_a_trainer_sees_nothing_of_what_the_shell_brings_python_and_pip(mirl, root: Path):
    python = root / "papers/toy/.venv/bin/python"
    python.write_text(python.read_text().replace("PYTHONPATH=", 'env > "$0.env"; PYTHONPATH='))
    theirs = root / "theirs"
    theirs.mkdir()
    done = mirl("run", "tiny/toy/line/drift/seed0", PYTHONPATH=str(theirs), PIP_TARGET=str(theirs), PYTHONUSERBASE="x")
    assert done.returncode == 0, done.stderr
    seen = python.with_name("python.env").read_text()
    assert str(theirs) not in seen.replace(f"PWD={root}", "")
    assert "PYTHONUSERBASE" not in seen
    assert "PYTHONNOUSERSITE=1" in seen


def test_a_trainer_that_ends_before_its_first_record_is_quoted(mirl, root: Path):
    python = root / "papers/toy/.venv/bin/python"
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: No module named numpy' >&2\nexit 1\n")
    failed = mirl(*TINY, "--method", "drift", "--seeds", "0")
    assert failed.returncode == 2
    assert failed.stderr == (
        "mirl: tiny/toy/line/drift/seed0 ended before it began: ModuleNotFoundError: No module named numpy; "
        f"see {runs(root, 'drift')[0]}\n"
    )


def test_a_stop_before_the_first_record_is_no_fault(root: Path):
    python = root / "papers/toy/.venv/bin/python"
    python.write_text("#!/bin/sh\ntouch begun\nexec sleep 60\n")
    driver = begin(root, *TINY, "--method", "drift", "--seeds", "0")
    wait_until((runs(root, "drift")[0] / "attempt-1.log").exists, 60)
    os.kill(driver.pid, signal.SIGTERM)
    said, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 1
    assert complaint == "stopping: running experiments save a checkpoint; the same command continues\n"
    assert said.splitlines()[-1] == "stopped as asked; 0 of 1 runs are finished, the same command continues the others"


def test_a_stop_that_reaches_every_process_at_once_is_one_stop(root: Path):
    """As a scheduler sends it; the trainer is in an update that takes longer than all others take to end."""
    registered = root / "reproduce.yaml"
    registered.write_text(registered.read_text().replace("seconds_per_step: 0.02", "seconds_per_step: 0.25"))
    driver = begin(root, *TINY, "--method", "drift@slow", "--seeds", "0")
    directory = runs(root, "drift@slow")[0]
    wait_until(lambda: saved_step(directory) == 20, 60)
    processes = psutil.Process(driver.pid).children(recursive=True)
    assert len(processes) >= 3  # the engine, the runner, the trainer
    for process in [psutil.Process(driver.pid), *processes]:
        process.terminate()
    said, _ = driver.communicate(timeout=60)
    assert json.loads((directory / "run.json").read_text())["status"] == "interrupted"
    assert saved_step(directory) == 40
    assert said.splitlines()[-1] == "stopped as asked; 0 of 1 runs are finished, the same command continues the others"


def test_an_engine_that_locks_up_when_it_is_stopped_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    monkeypatch.setattr(engine, "command", lambda *_: [sys.executable, "-c", deaf])
    experiments = registry.load(root / "reproduce.yaml")
    specs = [RunSpec.parse("tiny/toy/line/drift/seed0")]
    executor = choose_executor(root, experiments, list(plan.estimate_all(root, experiments, specs)), Choices(jobs=1))
    log = engine.log_path(root)
    begun = []

    def stop_once_it_is_deaf() -> None:
        if not begun and "deaf" in log.read_text():
            begun.append(log)
            os.kill(os.getpid(), signal.SIGTERM)

    ended = engine.run_all(root, experiments, specs, replace(executor, idle_s=0.6), stop_once_it_is_deaf)
    assert (ended.code, ended.was_stopped) == (-signal.SIGKILL, True)


def test_every_try_of_a_run_keeps_its_log(mirl, root: Path):
    assert (
        mirl(*TINY, "--method", "drift@broken", "--seeds", "0", "--retries", "1", "--retry-wait-s", "0").returncode == 1
    )
    logs = sorted(runs(root, "drift@broken")[0].glob("attempt-*.log"))
    assert [log.name for log in logs] == ["attempt-1.log", "attempt-2.log"]
    assert all("became nan" in log.read_text() for log in logs)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: "", "is empty"),
        (lambda text: "{}", "is not as the contract says: schema_version is missing"),
        (
            lambda text: text.replace('"env_steps": 200', '"env_steps": "many"'),
            "is not as the contract says: env_steps: Input should be a valid integer, got 'many'",
        ),
    ],
)
def test_a_run_whose_manifest_breaks_the_contract_is_not_finished_and_goes_on(mirl, root: Path, change, fault: str):
    directory, words = runs(root, "drift")[0], ("--method", "drift", "--seeds", "0")
    assert mirl(*TINY, *words).returncode == 0
    before, manifest = rows(directory), directory / "manifest.json"
    manifest.write_text(change(manifest.read_text()))
    said = f"manifest.json {fault}; the run is not finished, and the same mirl command goes on\n"
    assert mirl("status").stderr == f"mirl: {directory.relative_to(root)}/{said}"
    assert "1 of 1 runs to do" in mirl("plan", "--paper", "toy", "--budget", "tiny", *words).stdout
    broken = manifest.read_text()
    for number, again in enumerate(((*TINY, *words), ("run", "tiny/toy/line/drift/seed0")), 1):
        manifest.write_text(broken)
        done = mirl(*again)
        assert done.returncode == 0, done.stderr
        told = (
            f"tiny/toy/line/drift/seed0: manifest.json {fault} and is now manifest.json.aside-{number}; the run goes on"
        )
        assert told in done.stdout
        assert json.loads(manifest.read_text())["status"] == "finished"
        assert rows(directory) == before


def test_a_finished_run_with_other_rows_is_neither_counted_nor_made_again(mirl, root: Path):
    directory, words = runs(root, "drift")[0], ("--method", "drift", "--seeds", "0")
    assert mirl(*TINY, *words).returncode == 0
    table = directory / "metrics.csv"
    table.write_text(table.read_text().replace("eval/return,-", "eval/return,"))
    before = contents(directory)
    fault = f"{table} does not have the sha256 that the run's manifest records"
    refused = mirl(*TINY, *words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"mirl: {fault}; move that folder away to run it anew\n"
    by_hand = mirl("run", "tiny/toy/line/drift/seed0")
    assert (by_hand.returncode, by_hand.stderr) == (1, f"mirl: {fault}\n")
    assert contents(directory) == before


def test_status_shows_what_was_begun(mirl):
    assert mirl("status").stdout == "nothing was begun yet\n"
    assert mirl(*TINY, "--method", "drift", "--seeds", "0").returncode == 0
    shown = mirl("status", "--paper", "toy", "--budget", "tiny").stdout
    assert "tiny/toy/line/drift/seed0" in shown
    assert "finished" in shown


def test_a_failed_run_is_tried_again_after_longer_and_longer_waits(mirl, root: Path):
    words = (*TINY, "--method", "drift@broken", "--seeds", "0", "--retries", "2", "--retry-wait-s", "1.5")
    assert mirl(*words).returncode == 1
    attempts = json.loads((runs(root, "drift@broken")[0] / "run.json").read_text())["attempts"]
    starts = [datetime.fromisoformat(attempt["start"]).timestamp() for attempt in attempts]
    assert len(starts) == 3
    assert starts[1] - starts[0] >= 1  # times are kept to the second
    assert starts[2] - starts[1] >= 2


def test_a_dry_run_tells_what_would_be_started_and_starts_nothing(mirl, root: Path):
    assert mirl(*TINY, "--method", "drift", "--seeds", "0").returncode == 0
    told = mirl(*TINY, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "3 of 3 runs to do" in told.stdout
    assert told.stdout.count("rule train:") == 3
    assert "drift/seed0" not in told.stdout
    assert not runs(root, "random_walk")[0].exists()


def test_all_papers_are_run_with_one_word_and_never_by_an_oversight(mirl):
    refused = mirl("reproduce", "--budget", "tiny")
    assert (refused.returncode, refused.stderr) == (2, "mirl: --paper or --all is needed (papers: toy)\n")
    refused = mirl("reproduce", "--budget", "tiny", "--all", "--paper", "toy")
    assert (refused.returncode, refused.stderr) == (2, "mirl: --all and --paper toy exclude each other\n")
    assert "4 of 4 runs to do" in mirl("reproduce", "--budget", "tiny", "--all", "--dry-run").stdout


def test_a_finished_run_is_not_begun_again_by_hand(mirl, root: Path):
    assert mirl("run", "tiny/toy/line/drift/seed0").returncode == 0
    again = mirl("run", "tiny/toy/line/drift/seed0")
    assert (again.returncode, again.stdout) == (0, "tiny/toy/line/drift/seed0 is finished: nothing to do\n")
    assert [log.name for log in runs(root, "drift")[0].glob("attempt-*.log")] == ["attempt-1.log"]


def test_a_run_that_nears_its_time_limit_saves_and_ends(root: Path):
    runner = begin(root, "run", "tiny/toy/line/drift@slow/seed0")
    wait_until(lambda: has_checkpoint(runs(root, "drift@slow")[0]))
    os.kill(runner.pid, signal.SIGURG)
    runner.communicate(timeout=60)
    assert runner.returncode == 143
    assert json.loads((runs(root, "drift@slow")[0] / "run.json").read_text())["status"] == "interrupted"


def test_a_run_that_somebody_else_finishes_meanwhile_keeps_its_manifest(root: Path):
    """The engine would delete it and train again, if the output were not declared as one to be updated."""
    driver = begin(root, *SLOW, "--jobs", "1")
    wait_until(lambda: any(has_checkpoint(directory) for directory in runs(root, "drift@slow")))
    [other] = [directory for directory in runs(root, "drift@slow") if not has_checkpoint(directory)]
    other.mkdir(parents=True, exist_ok=True)
    write_manifest(other, RunSpec.parse(f"tiny/toy/line/drift@slow/{other.name}"), {})
    before = (other / "manifest.json").read_bytes()
    driver.communicate(timeout=60)
    assert (other / "manifest.json").read_bytes() == before
    assert not list(other.glob("attempt-*.log"))


def test_many_runs_are_counted_and_the_unfinished_ones_shown(mirl, root: Path, monkeypatch: pytest.MonkeyPatch):
    for seed in range(120):
        folder = root / f"results/runs/tiny/toy/line/drift/seed{seed}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"status": "failed", "attempts": [{"reason": "[odd]"}]}))
        if seed < 117:
            write_manifest(folder, RunSpec.parse(f"tiny/toy/line/drift/seed{seed}"), {})
    shown = mirl("status").stdout.splitlines()
    assert [line.split()[0][-4:] for line in shown[1:4]] == ["d117", "d118", "d119"]
    assert all(line.split()[1] == "failed" and line.rstrip().endswith("[odd]") for line in shown[1:4])
    assert shown[-1] == "3 failed, 117 finished; 100 of them are shown, all with: mirl status --all"
    assert len(mirl("status", "--all").stdout.splitlines()) == 122
