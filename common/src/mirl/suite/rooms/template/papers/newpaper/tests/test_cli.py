"""The command line as a person uses it: files, kill and resume, the test again, films, policies, bad input."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import imageio.v2 as imageio
import pytest
from paper_runs import Program, records, rows
from toys import METHODS

from mirl.paper import main
from mirl.policy import unpack
from newpaper.__main__ import PAPER
from newpaper.original import FLAGS, translate

SMALL = ["--episodes-per-update", "4", "--evaluation-episodes", "5", "--evaluation-every", "500", "--device", "cpu"]


def train_words(directory: Path, method: str, env_steps: int = 2_000, *more: str) -> list[str]:
    names = ["train", "--task", "cartpole", "--method", method, "--seed", "0", "--run-dir", str(directory)]
    return [*names, *SMALL, "--total-env-steps", str(env_steps), *more]


def told(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(PAPER, list(words)) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run for each method."""
    folder = tmp_path_factory.mktemp("runs")
    for method in METHODS:
        assert main(PAPER, train_words(folder / method, method)) == 0
    return {method: folder / method for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_leaves_what_the_readme_says(finished: dict[str, Path], method: str):
    names = {name for _, name, _ in records(finished[method])}
    assert {"train/return", "loss/policy", "loss/entropy", "eval/return", "eval/success"} <= names
    assert ("loss/value" in names) == (method == "reinforce_baseline")
    tests = [int(step) for step, name, _ in records(finished[method]) if name == "eval/return"]
    assert len(tests) > 2
    assert tests[-1] >= 2_000
    assert len(rows(finished[method] / "episodes.csv")) == 5
    assert json.loads((finished[method] / "manifest.json").read_text())["status"] == "finished"


def test_evaluating_again_repeats_the_test_at_the_end_of_training(
    finished: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    last = [value for _, name, value in records(finished["reinforce"]) if name == "eval/return"][-1]
    said = told(["evaluate", "--run-dir", str(finished["reinforce"])], capsys)
    assert f"{float(last):.6g}" in said


def test_likeliest_actions_are_a_setting(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", "--run-dir", str(finished["reinforce"]), "--episodes", "20"]
    assert told(words, capsys) != told([*words, "--setting", "greedy"], capsys)


@pytest.mark.parametrize(
    ("method", "stop"),
    [("reinforce", signal.SIGTERM), ("reinforce_baseline", signal.SIGTERM), ("reinforce_baseline", signal.SIGKILL)],
)
def test_a_killed_run_continues_and_ends_equal(tmp_path: Path, method: str, stop: signal.Signals):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    words = ["--save-every", "1", "--no-tensorboard"]
    assert main(PAPER, train_words(whole, method, 6_000, *words)) == 0
    saved = (broken / "checkpoint/latest.json").exists
    Program("newpaper").stopped(*train_words(broken, method, 6_000, *words), when=saved, kill=stop)
    assert not (broken / "manifest.json").exists(), "the run ended before it was killed"
    assert main(PAPER, train_words(broken, method, 6_000, *words)) == 0
    assert records(broken) == records(whole)
    assert (broken / "episodes.csv").read_bytes() == (whole / "episodes.csv").read_bytes()


def test_a_film_shows_the_episode(finished: dict[str, Path], tmp_path: Path):
    film = tmp_path / "new folder" / "film.mp4"
    words = ["evaluate", "--run-dir", str(finished["reinforce"]), "--episodes", "1", "--video", str(film)]
    assert main(PAPER, words) == 0
    frames = list(imageio.get_reader(film, format="FFMPEG").iter_data())  # type: ignore[attr-defined]
    assert len(frames) > 5
    assert frames[0].shape == (264, 480, 3)
    assert (frames[0] != frames[-1]).any()


def test_a_film_for_the_report_says_what_it_shows(finished: dict[str, Path], tmp_path: Path):
    words = ["film", "--run-dir", str(finished["reinforce"]), "--out", str(tmp_path / "film")]
    assert main(PAPER, words) == 0
    assert {path.name for path in (tmp_path / "film").iterdir()} == {"film.webm", "film.webp", "film.json"}
    facts = json.loads((tmp_path / "film/film.json").read_text())
    assert re.search(r"after \d+ of 500 steps", facts["caption"])
    assert "pole" in facts["alternative"]


@pytest.mark.parametrize("method", METHODS)
def test_a_policy_alone_plays_as_its_run_does(
    finished: dict[str, Path], tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
):
    run, policy, alone = finished[method], tmp_path / "policy", tmp_path / "alone"
    assert main(PAPER, ["policy", "--run-dir", str(run), "--out", str(policy)]) == 0
    unpack(policy, json.loads((run / "manifest.json").read_text()), alone)
    assert told(["evaluate", "--run-dir", str(alone)], capsys) == told(["evaluate", "--run-dir", str(run)], capsys)


def test_describe_and_bench_say_what_there_is(capsys: pytest.CaptureFixture[str]):
    assert json.loads(told(["describe", "--json"], capsys))["parameter_counts"]["cartpole"]["reinforce"] == {
        "policy": 450
    }
    benched = json.loads(told(["bench", "--json"], capsys))["rows"]
    assert {row["name"] for row in benched} >= {"acting", "updates", "end to end", "peak memory"}
    assert {row["name"] for row in benched if "ratio_to_plain" in row} == {"16 episodes", "their returns"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--discount", "2"], "--discount must be in (0, 1], got 2.0"),
        (["--task", "cartpool"], "did you mean cartpole?"),
        (["--method", "reinforse"], "did you mean reinforce?"),
        (["--gradient-discount", "halved"], "left_out or kept"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, [*train_words(tmp_path / "run", "reinforce"), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_line_of_the_original_is_translated_or_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert main(PAPER, ["--env-of-theirs", "CartPole-v1"]) == 2
    assert "--env-of-theirs is no flag of the original" in capsys.readouterr().err
    monkeypatch.setitem(FLAGS, "--env-of-theirs", "--task")
    assert translate(["--env-of-theirs", "cartpole"]) == ["train", "--task", "cartpole"]
