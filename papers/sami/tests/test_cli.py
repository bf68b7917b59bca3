"""The command line as a person uses it: files, columns, kill and resume, evaluation, bad input."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from paper_runs import Program, records, rows, saved_step

from mirl.files import sha256
from mirl.paper import main
from sami.__main__ import PAPER

PROGRAM = Program("sami", patience_s=300)
LINE = (
    "--horizon 10 --learning-starts 12 --train-freq 16 --slots 2 --batch-size 4 --gradient-steps 2 --buffer-size 6 "
    "--hidden-sizes 16 16 --evaluation-episodes 2 --checkpoint-every 0"
)
SMALL = LINE.split()
ENV_STEPS_PER_TURN = 16 * 2
LONG = 30
"""Turns of a run that is killed."""


def train_words(directory: Path, method: str = "saccm", turns: int = 4, *more: str) -> list[str]:
    contrast = [] if method == "tesac" else ["--contrast-batch-size", "4", "--adversarial-loss-coef", "0.5"]
    total = ["--total-env-steps", str(turns * ENV_STEPS_PER_TURN)]
    names = ["train", "--task", "halfcheetah", "--method", method, "--seed", "0", "--run-dir", str(directory)]
    return [*names, "--device", "cpu", *SMALL, *contrast, *total, *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "saccm"
    done = PROGRAM.run(*train_words(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_the_promised_files(finished: Path):
    promised = {"config.yaml", "test_result.yaml", "manifest.json", "metrics.csv", "episodes.csv"}
    promised |= {f"contexts_{setting}.csv" for setting in ("training", "moderate", "extreme")}
    assert promised <= {path.name for path in finished.iterdir()}
    names = {record[1] for record in records(finished)}
    assert {f"eval/return_{setting}" for setting in ("training", "moderate", "extreme")} <= names
    assert {
        "loss/critic",
        "loss/actor",
        "loss/temperature",
        "loss/contrastive",
        "loss/encoder",
        "train/return",
    } <= names


def test_every_test_episode_is_recorded(finished: Path):
    table = rows(finished / "episodes.csv")
    counts = {
        setting: sum(row["setting"] == setting for row in table) for setting in ("training", "moderate", "extreme")
    }
    assert counts == {"training": 2 * 2, "moderate": 4 * 2, "extreme": 4 * 2}
    assert {row["length"] for row in table} == {"10"}
    results = json.loads((finished / "test_result.yaml").read_text())
    assert [one["tuple"] for one in results["extreme"]] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(rows(finished / "contexts_extreme.csv")) == 8


def test_evaluating_again_repeats_the_test_at_the_end_of_training(finished: Path, capsys: pytest.CaptureFixture[str]):
    before = json.loads((finished / "test_result.yaml").read_text())
    assert main(PAPER, ["evaluate", "--run-dir", str(finished), "--setting", "extreme"]) == 0
    assert "eval/return_extreme" in capsys.readouterr().out
    again = finished / "evaluation"
    assert json.loads((again / "test_result.yaml").read_text()) == {"extreme": before["extreme"]}
    assert (again / "images" / "contexts_extreme_tsne.png").exists()


def test_evaluating_leaves_what_the_manifest_vouches_for(finished: Path):
    assert main(PAPER, ["evaluate", "--run-dir", str(finished), "--setting", "moderate", "--episodes", "1"]) == 0
    promised = json.loads((finished / "manifest.json").read_text())["files"]
    assert {"test_result.yaml", "contexts_moderate.csv"} <= set(promised)
    assert {name: sha256(finished / name) for name in promised} == promised


def test_other_settings_and_given_tuples_can_be_tested(finished: Path, capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", "--run-dir", str(finished), "--episodes", "1", "--projections", "pca"]
    assert main(PAPER, [*words, "--setting", "super_extreme"]) == 0
    assert "eval/return_super_extreme" in capsys.readouterr().out
    assert main(PAPER, [*words, "--setting", "given", "--test-envs", "[([2.0],[2.0])]"]) == 0
    assert "eval/return_given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--setting", "grid"], "halfcheetah has no such grid"),
        (["--setting", "given"], "--setting given needs --test-envs"),
        (["--setting", "given", "--test-envs", "[]"], "--test-envs names no task tuple"),
        (["--projections", "pcaa"], "did you mean pca?"),
        (["--vary-damping"], "--vary-damping changes nothing on halfcheetah"),
        (["--context-size", "5"], "does not fit this config"),
        (["--video", "film.txt"], "a film is a .mp4 or a .webm file"),
    ],
)
def test_settings_that_cannot_be_tested_get_one_line(
    finished: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, ["evaluate", "--run-dir", str(finished), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1


def test_training_may_begin_with_another_runs_networks(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fresh, going_on = tmp_path / "fresh", tmp_path / "on"
    unlearnt = ("saccm", 1, "--learning-starts", "100")
    assert main(PAPER, train_words(fresh, *unlearnt)) == 0
    assert main(PAPER, train_words(going_on, *unlearnt, "--initial-run", str(finished))) == 0
    weights = [learnt(folder)["agent"] for folder in (finished, going_on, fresh)]
    assert same(weights[1], weights[0])
    assert not same(weights[2], weights[0])
    other = train_words(tmp_path / "other", *unlearnt, "--initial-run", str(finished), "--context-size", "5")
    assert main(PAPER, other) == 2
    assert "--initial-run" in capsys.readouterr().err


def learnt(directory: Path) -> dict[str, Any]:
    folder = next((directory / "checkpoint").glob("save-*"))
    found: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return found


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, (list, tuple)):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def test_the_last_tests_stop_when_asked_and_are_repeated(tmp_path: Path):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    long = ("tesac", 2, "--evaluation-episodes", "2000")
    words = train_words(broken, *long)
    PROGRAM.stopped(*words, when=lambda: saved_step(broken) >= 2 * ENV_STEPS_PER_TURN)
    for folder in (broken, whole):
        assert PROGRAM.run(*train_words(folder, *long)).returncode == 0
    assert records(broken) == records(whole)


def test_the_last_reward_is_left_out_of_partial_returns_and_of_the_legacy_protocol(
    finished: Path, capsys: pytest.CaptureFixture[str]
):
    results = json.loads((finished / "test_result.yaml").read_text())["moderate"]
    assert all(one["return"] != one["return_without_last_reward"] for one in results)
    words = ["evaluate", "--run-dir", str(finished), "--setting", "moderate", "--evaluation-protocol", "legacy"]
    assert main(PAPER, words) == 0
    found = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("eval/"))
    assert found["eval/return_moderate"] == found["eval/partial_return_moderate"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A longer run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert PROGRAM.run(*train_words(folder, "satesac", LONG)).returncode == 0
    return folder


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_continues_and_ends_equal(whole: Path, tmp_path: Path, kill: signal.Signals):
    broken = tmp_path / "broken"
    words = train_words(broken, "satesac", LONG)
    PROGRAM.stopped(*words, when=lambda: saved_step(broken) >= 3 * ENV_STEPS_PER_TURN, kill=kill)
    PROGRAM.continues(*words)
    assert records(broken) == records(whole)
    for name in ("test_result.yaml", "contexts_extreme.csv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


def test_the_checkpoint_holds_numbers_and_strings_only(finished: Path):
    folder = next((finished / "checkpoint").glob("save-*"))
    for name in ("state.pt", "replay.pt"):
        assert torch.load(folder / name, weights_only=True)


def test_the_end_of_training_is_saved_however_rare_checkpoints_are(tmp_path: Path):
    assert main(PAPER, train_words(tmp_path / "run", "tesac", 2, "--save-every", "100000")) == 0
    assert saved_step(tmp_path / "run") == 2 * ENV_STEPS_PER_TURN


def test_a_finished_run_is_left_alone(finished: Path, capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, train_words(finished)) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--gamma", "1.5"], "--gamma must be in [0, 1), got 1.5"),
        (["--batch-slots", "all", "--batch-size", "5"], "--batch-size must be a multiple of --slots"),
        (["--contrast-selection", "best"], "--contrast-selection"),
        (["--task", "half_cheetah"], "did you mean halfcheetah?"),
        (["--method", "sacccm"], "did you mean"),
        (["--test-envs", "[(1,"], "--test-envs: '[(1,' is not a list of task tuples"),
        (["--test-envs", "[]"], "--test-envs names no task tuple"),
        (["--test-envs", "[([1e999],[1.0])]"], "is a finite number"),
        (["--task-set", "script"], "no task_set 'script' for halfcheetah"),
        (["--train-envs", "[([1.0],[1.0])]"], "--slots must be the number of tuples in --train-envs, 1"),
        (["--task", "walker", "--task-set", "domino"], "no task_set 'domino' for walker"),
        (["--mask-leg"], "--mask-leg changes nothing on halfcheetah (only on crippled_walker), got True"),
        (["--reward-version", "legacy"], "--reward-version changes nothing on halfcheetah"),
        (["--initial-run", "nowhere"], "--initial-run nowhere is not a run directory"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, [*train_words(tmp_path / "run"), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_bad_input_ends_the_process_with_code_2_and_nothing_else_is_said(tmp_path: Path):
    done = PROGRAM.run(*train_words(tmp_path / "run"), "--tau", "0")
    assert (done.returncode, done.stderr) == (2, "sami: --tau must be in (0, 1], got 0.0\n")


def test_describe_knows_every_task_and_method(capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["describe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["parameter_counts"]) == 11
    assert found["parameter_counts"]["panda"]["ccm"] == {"encoder": 81_194, "actor": 545_800, "critics": 1_088_514}
