"""A run directory through the real command line: to the end, killed, stopped, damaged, on a full disk."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mirl.files import sha256
from mirl.paper import main
from mirl.run import Header, Run
from toy import driver
from toy.__main__ import PAPER
from toy.driver import (
    SLOWLY,
    TRAIN,
    complaint,
    contents,
    files_at_most,
    record,
    rows,
    saved_step,
    start,
    stop,
    train,
    wait_until,
)


def test_a_finished_run_holds_every_file_of_the_contract(finished: Path) -> None:
    names = set(contents(finished))
    assert {"metrics.csv", "episodes.csv", "run.json", "manifest.json", "attempt-1.log", "position.txt"} <= names
    assert any(name.startswith("events.out.tfevents.") for name in names)
    assert (finished / "metrics.csv").read_text().startswith("env_step,wall_s,name,value\n20,")
    assert (
        (finished / "episodes.csv")
        .read_text()
        .startswith("env_step,setting,episode,return,length,success\n100,training,0,")
    )
    assert "1,000 / 1,000 env steps  100.0 %" in (finished / "attempt-1.log").read_text()
    assert not [name for name in names if Path(name).name.startswith(".")], "drafts are left behind"


def test_the_manifest_is_complete_and_written_last(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert set(manifest) == {
        "schema_version", "run_id", "status", "paper", "task", "method", "variant", "seed", "fidelity", "device",
        "config", "config_sha256", "command", "git_revision", "git_dirty", "lock_sha256", "image", "python", "platform",
        "cpu", "cpu_count", "versions", "start", "end", "wall_s", "env_steps", "attempts", "files",
    }  # fmt: skip
    assert manifest["run_id"] == "toy/line/drift/seed0"
    assert (manifest["status"], manifest["env_steps"], manifest["attempts"]) == ("finished", 1000, 1)
    assert manifest["config"]["drift"] == 0.01
    others = [
        path for path in finished.rglob("*") if path.is_file() and path.name not in ("manifest.json", "attempt-1.log")
    ]
    assert (finished / "manifest.json").stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in others)


def test_the_manifest_has_the_sha256_of_the_results(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert set(manifest["files"]) == {"metrics.csv", "episodes.csv", "checkpoint/latest.json", "position.txt"}
    for name, expected in manifest["files"].items():
        assert hashlib.sha256((finished / name).read_bytes()).hexdigest() == expected
    latest = json.loads((finished / "checkpoint/latest.json").read_text())
    for name, expected in latest["files"].items():
        assert sha256(finished / "checkpoint" / latest["folder"] / name) == expected


def test_the_manifest_tells_nothing_of_place_or_person(finished: Path) -> None:
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', (finished / "manifest.json").read_text())
    assert not [text for text in strings if text.startswith(("/", "~")) or str(finished) in text]
    words = {word for text in strings for word in re.split(r"[^\w.-]", text)}
    assert words.isdisjoint({socket.gethostname(), getpass.getuser()})
    assert json.loads((finished / "manifest.json").read_text())["command"][-4:-2] == ["--run-dir", "DIR"]


def test_the_same_command_again_skips_a_finished_run(finished: Path) -> None:
    before = contents(finished)
    again = train(finished)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("toy/line/drift/seed0 is finished")
    assert contents(finished) == before


def test_equal_seeds_give_equal_rows_and_other_seeds_do_not(finished: Path, tmp_path: Path) -> None:
    assert train(tmp_path / "again").returncode == 0
    assert train(tmp_path / "other", "--seed", "1").returncode == 0
    assert rows(tmp_path / "again") == rows(finished)
    assert rows(tmp_path / "other") != rows(finished)


def has_saved(directory: Path, env_step: int) -> bool:
    return saved_step(directory) >= env_step


def test_a_run_killed_again_and_again_continues_and_ends_equal(finished: Path, tmp_path: Path) -> None:
    directory, words = tmp_path / "seed0", [*SLOWLY, "--save-every", "70"]
    for env_step in (200, 400, 600):
        process = start(directory, *words)
        wait_until(partial(has_saved, directory, env_step))
        time.sleep(0.03)
        assert stop(process, signal.SIGKILL)[0] == -signal.SIGKILL
    done = train(directory, *words)
    assert done.returncode == 0, done.stderr
    assert "continuing toy/line/drift/seed0 from env step" in done.stdout
    assert rows(directory) == rows(finished)
    assert [attempt["status"] for attempt in record(directory)["attempts"]] == [
        "killed",
        "killed",
        "killed",
        "finished",
    ]
    assert all((directory / f"attempt-{number}.log").exists() for number in (1, 2, 3, 4))
    assert len(list((directory / "checkpoint").glob("save-*"))) == 1


def test_a_run_killed_before_its_first_checkpoint_starts_over(finished: Path, tmp_path: Path) -> None:
    directory, words = tmp_path / "seed0", [*SLOWLY, "--save-from", "500"]
    process = start(directory, *words)
    wait_until(lambda: (directory / "metrics.csv").exists() and (directory / "metrics.csv").stat().st_size > 200)
    stop(process, signal.SIGKILL)
    assert saved_step(directory) == 0
    assert train(directory, *words).returncode == 0
    assert rows(directory) == rows(finished)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_a_checkpoint_and_the_run_continues_equal(
    finished: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    directory, words = tmp_path / "seed0", [*SLOWLY, "--save-from", "100000"]  # only the signal saves
    process = start(directory, *words)
    wait_until(lambda: (directory / "metrics.csv").exists() and (directory / "metrics.csv").stat().st_size > 200)
    returned, said = stop(process, number)
    assert returned == code
    stopped_at = saved_step(directory)
    assert 0 < stopped_at < 1000
    sentence = f"stopped by {number.name} at env step {stopped_at:,}; the same command continues"
    assert said.splitlines()[-1] == f"toy: {sentence}"
    assert record(directory)["status"] == "interrupted"
    assert record(directory)["attempts"][-1]["reason"] == sentence
    assert not (directory / "manifest.json").exists()
    assert train(directory, *words).returncode == 0
    assert rows(directory) == rows(finished)
    assert [attempt["status"] for attempt in record(directory)["attempts"]] == ["interrupted", "finished"]
    assert sentence in (directory / "attempt-1.log").read_text()


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "seed0"
    process = start(directory, "--seconds-per-step", "1")
    wait_until((directory / "episodes.csv").exists)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    code, said = stop(process, signal.SIGTERM)
    assert code == 143
    assert time.monotonic() - began < 10
    assert said.splitlines()[-1] == "toy: stopped by SIGTERM at once, without a checkpoint; the same command continues"
    assert record(directory)["status"] == "interrupted"


def test_a_torn_last_line_is_dropped(finished: Path, interrupted: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    for name in ("metrics.csv", "episodes.csv"):
        with (directory / name).open("a") as stream:
            stream.write("640,0.1,loss/me")
    assert train(directory, *SLOWLY).returncode == 0
    assert rows(directory) == rows(finished)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a truncated checkpoint": ("checkpoint/save-*/parameters.npz", halve, "is damaged (its sha256 differs"),
    "a missing checkpoint": ("checkpoint/save-*/counters.json", Path.unlink, "is missing"),
    "a truncated latest.json": ("checkpoint/latest.json", halve, "is not valid JSON"),
    "an empty latest.json": ("checkpoint/latest.json", lambda path: path.write_text(""), "is not valid JSON"),
    "a strange latest.json": ("checkpoint/latest.json", lambda path: path.write_text("[1]"), "lacks what a checkpoint"),
    "a truncated run.json": ("run.json", halve, "is not valid JSON"),
    "a strange run.json": ("run.json", lambda path: path.write_text("{}"), "lacks what a run says of itself"),
    "lost rows": ("metrics.csv", halve, "is shorter than its checkpoint says"),
    "a lost table": ("episodes.csv", Path.unlink, "is shorter than its checkpoint says"),
}


def refusal(capsys: pytest.CaptureFixture[str], directory: Path, *words: str) -> str:
    """What `train` complains of before it begins; in this process, which is quicker."""
    assert main(PAPER, [*TRAIN, "--run-dir", str(directory), *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("toy: ").rstrip()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_in_one_line_and_nothing_is_touched(
    interrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    pattern, inflict, words = DAMAGES[damage]
    (path,) = directory.glob(pattern)
    inflict(path)
    before = contents(directory)
    line = refusal(capsys, directory, *SLOWLY)
    assert line.startswith(str(path))
    assert words in line
    assert line.endswith("start again with --overwrite, which keeps the old folder aside")
    assert contents(directory) == before


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (("--step-size", "0.2"), "step_size=0.1, now 0.2"),
        (("--seed", "1"), "seed=0, now 1"),
        (("--fidelity", "fixed"), "fidelity=faithful, now fixed"),
    ],
)
def test_a_changed_config_is_refused_by_its_field(
    interrupted: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], difference: str
) -> None:
    before = contents(interrupted)
    assert refusal(capsys, interrupted, *SLOWLY, *words) == (
        f"{interrupted} was started with {difference}; choose another folder, "
        "or pass --overwrite, which keeps the old one aside"
    )
    assert contents(interrupted) == before


def test_overwrite_moves_the_old_folder_aside(interrupted: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    (tmp_path / "seed0.aside-1").mkdir()
    before = contents(directory)
    done = train(directory, "--overwrite", "--step-size", "0.2")
    assert done.returncode == 0
    assert f"the old folder is now {tmp_path / 'seed0.aside-2'}" in done.stdout
    assert contents(tmp_path / "seed0.aside-2") == before
    assert record(directory)["config"]["step_size"] == 0.2


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "seed0"
    process = start(directory, "--seconds-per-step", "0.01")
    wait_until((directory / "metrics.csv").exists)
    for words in ((), ("--overwrite",)):
        refused = train(directory, "--seconds-per-step", "0.01", *words)
        assert refused.returncode == 2
        assert complaint(refused) == f"{directory} is being written by another process; wait for it or end it"
    assert process.poll() is None
    assert stop(process, signal.SIGTERM)[0] == 143
    assert [attempt["status"] for attempt in record(directory)["attempts"]] == ["interrupted"]


FULL_DISKS = {
    "metrics.csv": (3000, ()),
    "checkpoint/save-1": (20_000, ("--dimensions", "5000")),
    "run.json": (500, ()),
    "manifest.json": (1600, ("--total-env-steps", "200")),
}
"""Which file is met first -> how many bytes a file may have, and what is trained."""


@pytest.mark.parametrize("name", FULL_DISKS)
def test_a_full_disk_is_one_line_and_the_run_continues_afterwards(finished: Path, tmp_path: Path, name: str) -> None:
    directory = tmp_path / "seed0"
    size, words = FULL_DISKS[name]
    failed = train(directory, *words, preexec_fn=files_at_most(size))
    assert failed.returncode == 1
    assert complaint(failed) == f"cannot use {directory / name}: File too large"
    assert not list(directory.glob("manifest.json"))
    assert train(directory, *words).returncode == 0
    if not words:
        assert rows(directory) == rows(finished)


def test_a_full_disk_under_tensorboard_neither_hangs_nor_hides(finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "seed0"
    failed = driver.toy(*TRAIN, "--run-dir", directory, preexec_fn=files_at_most(7000))
    assert failed.returncode == 1
    assert complaint(failed) == f"cannot use {directory}/events.out.tfevents.*: File too large"
    assert record(directory)["status"] == "failed"
    assert driver.toy(*TRAIN, "--run-dir", directory, "--save-every", "200").returncode == 0
    assert rows(directory) == rows(finished)


def test_a_loss_that_is_not_finite_stops_the_run_with_its_name_and_step(tmp_path: Path) -> None:
    failed = train(tmp_path / "seed0", "--nan-at", "300")
    assert failed.returncode == 1
    assert complaint(failed) == "loss/distance became nan at env step 300"
    assert record(tmp_path / "seed0")["status"] == "failed"
    assert record(tmp_path / "seed0")["attempts"][-1]["reason"] == "loss/distance became nan at env step 300"
    assert ("300", "loss/distance", "nan") in rows(tmp_path / "seed0")


def test_a_crash_leaves_its_traceback_in_the_log_and_one_line_in_the_record(tmp_path: Path) -> None:
    directory = tmp_path / "seed0"
    for attempt in (1, 2):  # every attempt keeps a log of its own
        failed = train(directory, "--crash-at", "300")
        assert failed.returncode == 1
        assert failed.stderr.endswith("toy: RuntimeError: the walker fell\n")
        log = (directory / f"attempt-{attempt}.log").read_text()
        assert "Traceback (most recent call last)" in log
        assert log.endswith("toy: RuntimeError: the walker fell\n")
    assert record(directory)["status"] == "failed"
    assert [attempt["reason"] for attempt in record(directory)["attempts"]] == ["RuntimeError: the walker fell"] * 2
    assert saved_step(directory) == 200


def test_a_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    refused = train(tmp_path)
    assert refused.returncode == 2
    assert complaint(refused) == f"{tmp_path} holds files of something else (thesis.tex); choose another folder"
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_folder_with_only_a_runners_log_is_taken(tmp_path: Path) -> None:
    (tmp_path / "attempt-1.log").write_text("")
    (tmp_path / "run.lock").write_text("")
    assert train(tmp_path, environment={"MIRL_ATTEMPT_LOG": "1"}).returncode == 0
    assert (tmp_path / "attempt-1.log").read_text() == ""
    assert not (tmp_path / "attempt-2.log").exists()


@pytest.mark.parametrize("words", [(), ("--overwrite",)])
def test_a_run_dir_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file = tmp_path / "notes"
    file.write_text("mine")
    assert refusal(capsys, file, *words) == f"--run-dir must be a folder, got the file {file}"
    assert contents(tmp_path) == {"notes": b"mine"}


def test_a_run_outlives_whoever_watches_it(finished: Path, tmp_path: Path) -> None:
    process = start(tmp_path / "seed0", *SLOWLY)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert rows(tmp_path / "seed0") == rows(finished)


def test_clocks_keep_their_rhythm_whether_made_before_or_after_restore(interrupted: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    config, header = driver.toy_config(), Header("toy", "line", "drift", 0, "faithful", "cpu")
    with (directory / "run.lock").open() as lock:
        run = Run(directory, header, config, (), 0, lock)
        early = run.clock("log", 20)
        state = run.restore(driver.toy_state())
        late = run.clock("evaluate", 100)
        saved = json.loads((directory / "checkpoint/latest.json").read_text())["clocks"]
    assert (early.last, late.last, late.every) == (saved["log"], saved["evaluate"], 100)
    assert not late(state.env_step)
