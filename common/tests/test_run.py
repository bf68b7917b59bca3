"""A run directory through the real command line: to the end, killed, stopped by a signal, continued."""

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
from functools import partial
from pathlib import Path

import pytest

from mirl.files import sha256
from mirl.run import SAME_REQUEST_S, Header, Run
from toy import driver
from toy.driver import (
    SLOWLY,
    contents,
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
    time.sleep(SAME_REQUEST_S + 0.2)
    code, said = stop(process, signal.SIGTERM)
    assert code == 143
    assert time.monotonic() - began < 10
    assert said.splitlines()[-1] == "toy: stopped by SIGTERM at once, without a checkpoint; the same command continues"
    assert record(directory)["status"] == "interrupted"


def test_a_signal_that_comes_by_two_ways_is_one_request(tmp_path: Path) -> None:
    directory = tmp_path / "seed0"
    process = start(directory, *SLOWLY, "--save-from", "100000")
    wait_until((directory / "episodes.csv").exists)
    for _ in range(3):  # from a scheduler, from a driver, from a runner
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.001)
    assert stop(process, signal.SIGTERM)[0] == 143
    assert saved_step(directory) > 0


def test_a_torn_last_line_is_dropped(finished: Path, interrupted: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    for name in ("metrics.csv", "episodes.csv"):
        with (directory / name).open("a") as stream:
            stream.write("640,0.1,loss/me")
    assert train(directory, *SLOWLY).returncode == 0
    assert rows(directory) == rows(finished)


def test_a_run_outlives_whoever_watches_it(finished: Path, tmp_path: Path) -> None:
    process = start(tmp_path / "seed0", *SLOWLY)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert rows(tmp_path / "seed0") == rows(finished)


def test_a_run_begun_before_checkpoints_vouched_for_themselves_continues_and_ends_equal(
    finished: Path, interrupted: Path, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    path = directory / "checkpoint/latest.json"
    old = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("sha256", "tables")}
    path.write_text(json.dumps(old))
    done = train(directory, *SLOWLY)
    assert done.returncode == 0, done.stderr
    assert "this checkpoint is of an earlier version, whose latest.json has no checksum of its own" in done.stdout
    assert rows(directory) == rows(finished)


@pytest.mark.parametrize("torn", ["", "{", "[]", "{}"])
def test_an_empty_or_torn_manifest_does_not_count_as_finished(finished: Path, tmp_path: Path, torn: str) -> None:
    directory = Path(shutil.copytree(finished, tmp_path / "seed0"))
    (directory / "manifest.json").write_text(torn)
    assert train(directory).returncode == 0
    assert json.loads((directory / "manifest.json").read_text())["attempts"] == 2
    assert rows(directory) == rows(finished)


def test_drafts_of_killed_writers_do_not_pile_up(interrupted: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    drafts = [directory / ".run.json.17", directory / ".manifest.json.18", directory / "checkpoint/.latest.json.19"]
    for draft in drafts:
        draft.write_text("{")
    assert train(directory, *SLOWLY).returncode == 0
    assert not [draft for draft in drafts if draft.exists()]


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
