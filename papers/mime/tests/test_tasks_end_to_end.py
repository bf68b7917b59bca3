"""Each task through the command line: it trains, tests, draws what can be drawn, and repeats."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paper_runs import records, rows
from test_trajectories import images_in

from mime import figure
from mime.__main__ import PAPER
from mime.envs.ml10 import TEST_CLASSES, TRAIN_CLASSES
from mirl.paper import main

SMALL = [
    "--meta-batch-size", "2", "--fast-batch-size", "2", "--evaluation-batches", "1", "--evaluation-steps", "1",
    "--trajectory-images-every", "1", "--device", "cpu",
]  # fmt: skip
STEPS = {"dog": 3 * 2 * 1000 * 2, "pendulum": 2 * 2 * 50 * 2, "ml10": 2 * 2 * 150 * 2}
"""Task -> env steps of one small iteration."""


def train(folder: Path, task: str, method: str, *more: str) -> Path:
    words = ["train", "--task", task, "--method", method, "--seed", "0", "--run-dir", str(folder), *SMALL, *more]
    assert main(PAPER, [*words, "--total-env-steps", str(2 * STEPS[task])]) == 0
    return folder


@pytest.fixture(scope="module")
def dog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "dog", "dog", "maml")


@pytest.fixture(scope="module")
def ml10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "ml10", "ml10", "maml")


def test_the_dog_trains_on_three_goals_and_is_drawn(dog: Path):
    assert [int(row["TotalEnvSteps"]) for row in rows(dog / "train_result.csv")] == [STEPS["dog"], 2 * STEPS["dog"]]
    tags = ("TrainTrajectories", "ValidTrajectories")
    assert images_in(dog / "train_trajectories") == [(step, tag) for step in (0, 1) for tag in tags]
    assert images_in(dog / "test" / "train_trajectories") == [(0, tag) for tag in tags]
    assert len(rows(dog / "episodes.csv")) == 2 * 2 * 2  # before and after adaptation, two goals, two episodes


def test_runs_are_drawn_side_by_side(dog: Path, tmp_path: Path):
    picture = tmp_path / "both.png"
    assert figure.main(["--run-dir", str(dog), "--run-dir", str(dog), "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_side_by_side_gets_one_line(
    dog: Path, ml10: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for folders, complaint in (([dog, ml10], "one task, got dog, ml10"), ([ml10], "ml10 do not lie in a plane")):
        words = [word for folder in folders for word in ("--run-dir", str(folder))]
        assert figure.main([*words, "--output", str(tmp_path / "x.png")]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "x.png").exists()


def test_the_pendulum_repeats_with_the_same_seed(tmp_path: Path):
    first, second = (train(tmp_path / name, "pendulum", "mime", "--dyn-first-updates", "2") for name in "ab")
    assert records(first) == records(second)
    starts = {value for _, name, value in records(first) if name == "train/return"}
    assert len(starts) == 2


def test_ml10_has_columns_for_each_class_with_nan_where_it_was_not_drawn(ml10: Path):
    table = rows(ml10 / "train_result.csv")
    for name in TRAIN_CLASSES:
        assert {
            f"{phase}/{name}/{column}" for phase in ("Train-0", "Valid") for column in ("Returns", "Success")
        } <= set(table[0])
    drawn = [sum(not math.isnan(float(row[f"Valid/{name}/Returns"])) for name in TRAIN_CLASSES) for row in table]
    assert all(1 <= number <= 2 for number in drawn)
    (tested,) = rows(ml10 / "test_result.csv")
    assert {f"Valid/{name}/Success" for name in TEST_CLASSES} <= set(tested)
    assert not list((ml10 / "train_trajectories").glob("*"))


def test_a_film_of_what_lies_in_no_plane_gets_one_line(ml10: Path, capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["evaluate", "--run-dir", str(ml10), "--video", "film.mp4"]) == 2
    assert "--video cannot film ml10" in capsys.readouterr().err


@pytest.mark.slow
def test_ml10_measures_the_same_with_two_workers(ml10: Path, tmp_path: Path):
    assert records(train(tmp_path / "two", "ml10", "maml", "--num-workers", "2")) == records(ml10)


@pytest.mark.slow
def test_stopping_the_whole_group_ends_ml10_at_a_checkpoint_and_it_continues_equal(tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(PAPER, ml10_words(whole, iterations=4)) == 0
    started = subprocess.Popen([sys.executable, "-m", "mime", *ml10_words(broken, 4)], start_new_session=True)
    deadline = time.monotonic() + 200
    while not (broken / "checkpoint" / "latest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGTERM)
    assert started.wait(200) == 128 + signal.SIGTERM
    assert main(PAPER, ml10_words(broken, iterations=4)) == 0
    assert records(broken) == records(whole)


def ml10_words(folder: Path, iterations: int) -> list[str]:
    names = ["train", "--task", "ml10", "--method", "maml", "--seed", "0", "--run-dir", str(folder), *SMALL]
    return [*names, "--num-workers", "2", "--total-env-steps", str(iterations * STEPS["ml10"])]
