"""What a run refuses and how it fails: damage, other configs, second processes, full disks, NaN, crashes."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mirl.paper import main
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


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def setting(**fields: object) -> Callable[[Path], object]:
    """Writes other fields into a JSON file."""
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def shorten(path: Path) -> None:
    lengths = json.loads(path.read_text())["lengths"]
    setting(lengths=lengths | {"metrics.csv": lengths["metrics.csv"] - 100})(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def change_a_digit(path: Path) -> None:
    header, row, rest = path.read_text().split("\n", 2)
    path.write_text("\n".join([header, row[:-1] + ("1" if row[-1] == "0" else "0"), rest]))


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a truncated checkpoint": ("checkpoint/save-*/parameters.npz", halve, "is damaged (its sha256 differs"),
    "a missing checkpoint": ("checkpoint/save-*/counters.json", Path.unlink, "is missing"),
    "a truncated latest.json": ("checkpoint/latest.json", halve, "is not valid JSON"),
    "an empty latest.json": ("checkpoint/latest.json", lambda path: path.write_text(""), "is not valid JSON"),
    "a strange latest.json": ("checkpoint/latest.json", lambda path: path.write_text("[1]"), "lacks what a checkpoint"),
    "a truncated run.json": ("run.json", halve, "is not valid JSON"),
    "a strange run.json": ("run.json", lambda path: path.write_text("{}"), "lacks what a run says of itself"),
    "a run.json that is a list": ("run.json", lambda path: path.write_text("[]"), "lacks what a run says of itself"),
    "a run.json without attempts": ("run.json", setting(attempts=[]), "(attempts, each with start and status)"),
    "a run.json of numbers": ("run.json", setting(config=3), "lacks what a run says of itself (config)"),
    "a run.json of brackets": ("run.json", lambda path: path.write_text("[" * 100_000), "is not valid JSON"),
    "a folder in place of run.json": ("run.json", make_folder, "is not valid JSON"),
    "a folder in place of latest.json": ("checkpoint/latest.json", make_folder, "is not valid JSON"),
    "a file in place of checkpoints": ("checkpoint", make_file, "is no folder"),
    "a shortened count": ("checkpoint/latest.json", shorten, "is damaged (it does not have the sha256 that it names)"),
    "a changed clock": ("checkpoint/latest.json", setting(clocks={}), "is damaged (it does not have the sha256"),
    "changed rows": ("metrics.csv", change_a_digit, "has other rows than its checkpoint counted"),
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


def test_more_memory_than_there_is_is_one_line(tmp_path: Path) -> None:
    failed = train(tmp_path / "seed0", "--dimensions", str(10**16))
    assert failed.returncode == 1
    assert complaint(failed).startswith("memory ran out: Unable to allocate ")
    assert record(tmp_path / "seed0")["status"] == "failed"


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
    within = file / "runs/seed0"
    assert refusal(capsys, within, *words) == f"--run-dir {within} cannot be written: {file} is a file"
    assert contents(tmp_path) == {"notes": b"mine"}
