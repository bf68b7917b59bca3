"""The command line as a person uses it: files, columns, kill and resume, the original's flags, bad input."""

from __future__ import annotations

import json
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from paper_runs import Program, records, rows, wait_for

import mummi.worlds
from mirl.config import describe_fields, parse
from mirl.files import sha256
from mirl.paper import main
from mummi.__main__ import OUTPUTS, PAPER
from mummi.config import configure

PROGRAM = Program("mummi", patience_s=600)
SMALL = [
    "--total-env-steps", "120", "--time-limit", "20", "--prefill", "40", "--eval-every", "40", "--log-every", "20",
    "--train-every", "20", "--train-steps", "2", "--pretrain", "3", "--updates-per-call", "2", "--batch-size", "2",
    "--batch-length", "5", "--deter-size", "8", "--stoch-size", "4", "--num-units", "8", "--cnn-depth", "1",
    "--embed-size", "8", "--horizon", "3", "--test-episodes", "2", "--fast-rendering",
    "--backgrounds", str(Path(__file__).parent),
]  # fmt: skip
"""No videos lie in this folder, whatever lies in the paper's."""


def train_words(directory: Path, method: str = "mummi", *more: str) -> list[str]:
    names = ["train", "--task", "walker_walk", "--method", method, "--seed", "0", "--run-dir", str(directory)]
    return [*names, "--device", "cpu", *SMALL, *more]


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the real task."""
    folder = tmp_path_factory.mktemp("runs") / "mummi"
    done = PROGRAM.run(*train_words(folder))
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    return folder


def test_a_run_leaves_the_promised_files(finished: Path):
    names = {path.name for path in finished.iterdir()}
    assert {*OUTPUTS, "manifest.json", "metrics.csv", "episodes.csv", "replay"} - {"args.json"} <= names
    assert "results.jsonl" not in names  # that is for whoever evaluates
    assert "args.json" not in names  # that is cvrl's
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["env_steps"] == 120
    assert manifest["config"]["touch_weight"] == 0.001
    assert manifest["fidelity"] == "faithful"
    assert {"metrics.jsonl", "robustness.csv", "backgrounds.json"} <= set(manifest["files"])
    assert json.loads((finished / "backgrounds.json").read_text()) == {
        "source": "procedural",
        "train_videos": 128, "train_frames": 256, "train_sha256": None,
        "valid_videos": 32, "valid_frames": 256, "valid_sha256": None,
    }  # fmt: skip
    assert [row["miss_ratio"] for row in rows(finished / "robustness.csv")] == ["0.0", "0.05", "0.1"]


def test_the_schedule_is_the_papers(finished: Path):
    """Prefill to 40; evaluations at 40 and 80; bursts at 40 and then each 20 env steps."""
    measured = records(finished)
    assert [step for step, name, _ in measured if name == "eval/return"] == ["40", "80"]
    updates = [(step, float(value)) for step, name, value in measured if name == "train/updates"]
    assert updates == [("40", 4), ("60", 6), ("80", 8), ("100", 10)]
    assert [float(value) for _, name, value in measured if name == "train/episodes"] == [1, 2, 3, 4, 5, 6]


def test_metrics_jsonl_has_the_originals_keys(finished: Path):
    agent = next(line for line in lines(finished / "metrics.jsonl") if "model_loss" in line)
    keys = {
        "step", "model_grad_norm", "value_grad_norm", "actor_grad_norm", "prior_ent", "post_ent", "image_loss",
        "depth_loss", "touch_loss", "reward_loss", "div", "model_loss", "value_loss", "actor_loss", "action_ent",
        "expl_amount", "fps",
    }  # fmt: skip
    assert keys <= set(agent)
    episodes = [line for line in lines(finished / "metrics.jsonl") if "train/return" in line]
    assert set(episodes[0]) == {"step", "train/return", "train/length", "episodes"}
    assert episodes[0]["train/length"] == 10
    assert any("test/return" in line for line in lines(finished / "metrics.jsonl"))


def test_the_final_test_plays_every_ratio(finished: Path):
    episodes = rows(finished / "episodes.csv")
    settings = [row["setting"] for row in episodes]
    assert settings == ["curve"] * 2 + ["ratio_0"] * 2 + ["ratio_0.05"] * 2 + ["ratio_0.1"] * 2
    last = {name: float(value) for _, name, value in records(finished)}
    returns = [float(row["return"]) for row in episodes if row["setting"] == "ratio_0.1"]
    assert last["eval/return_ratio_0.1"] == pytest.approx(np.mean(returns))
    assert last["eval/sd_ratio_0.1"] == pytest.approx(np.std(returns))
    whole = last["eval/return_ratio_0"]
    assert last["eval/relative_drop"] == pytest.approx((whole - np.mean(returns)) / whole)


def test_the_originals_test_line_adds_a_line_an_episode_and_prints_three_means(finished: Path):
    path = finished / "results.jsonl"
    before = lines(path) if path.exists() else []
    done = PROGRAM.run("mummi.py", "--logdir", str(finished), "--task", "dmc_walker_walk", "--test", "True")
    assert done.returncode == 0, done.stderr
    tested = lines(path)[len(before) :]
    assert lines(path)[: len(before)] == before
    assert [line["miss_ratio"] for line in tested] == [0, 0, 0.05, 0.05, 0.1, 0.1]
    assert {line["backgrounds"] for line in tested} == {"procedural"}
    for ratio in ("0", "0.05", "0.1"):
        assert f"eval/return_ratio_{ratio} " in done.stdout
        assert f"eval/sd_ratio_{ratio} " in done.stdout
    assert [row["miss_ratio"] for row in rows(finished / "evaluation_robustness.csv")] == ["0.0", "0.05", "0.1"]
    # the same weights, seeds and videos as in the test that ended the training
    trained = {row["setting"]: row["return"] for row in rows(finished / "episodes.csv")}
    again = {f"ratio_{line['miss_ratio']:g}": line["test/return"] for line in tested}
    assert {name: float(trained[name]) for name in again} == again
    assert is_as_promised(finished)


def is_as_promised(directory: Path) -> bool:
    """Whether the files of a finished run are those that its manifest has the sha256 of."""
    promised = json.loads((directory / "manifest.json").read_text())["files"]
    return {name: sha256(directory / name) for name in promised} == promised


def test_a_killed_run_continues_and_equals_the_uninterrupted_one(finished: Path, tmp_path: Path):
    folder = tmp_path / "killed"
    PROGRAM.stopped(*train_words(folder), when=recorded(folder, "eval/return"))
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not (folder / "manifest.json").exists()
    PROGRAM.continues(*train_words(folder))
    assert records(folder) == records(finished)
    assert rows(folder / "episodes.csv") == rows(finished / "episodes.csv")


def test_a_signal_in_the_middle_of_a_burst_is_obeyed_within_thirty_seconds(tmp_path: Path):
    folder = tmp_path / "endless"
    words = train_words(folder, "mummi", "--train-steps", "1000000", "--no-trajectory-opt", "--no-log-images")
    process = PROGRAM.start(*words)
    wait_for(process, recorded(folder, "train/return", 3), 500)  # two of the prefill and one more; then comes the burst
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=600)
    assert time.monotonic() - began < 30
    assert process.returncode == 128 + signal.SIGTERM, said
    assert json.loads(next(folder.glob("checkpoint/save-*/state.json")).read_text())["learner"]["owed"] > 900_000


def recorded(folder: Path, name: str, times: int = 1) -> Callable[[], bool]:
    """Whether a run has recorded a metric so many times, when it is asked."""
    table = folder / "metrics.csv"
    return lambda: table.exists() and table.read_text().count(name) >= times


def test_a_finished_run_is_left_alone_and_another_config_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]):
    before = (finished / "metrics.csv").read_bytes()
    assert PAPER.name == "mummi"
    assert main(PAPER, train_words(finished)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(PAPER, train_words(finished, "mummi", "--touch-weight", "0.5")) == 2
    assert "touch_weight=0.001, now 0.5" in capsys.readouterr().err
    assert (finished / "metrics.csv").read_bytes() == before


def test_one_ratio_can_be_asked_for_and_filmed(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    video = tmp_path / "film.mp4"
    words = ["evaluate", "--run-dir", str(finished), "--setting", "ratio_0.1", "--episodes", "1", "--video", str(video)]
    whole = finished / "evaluation_robustness.csv"
    whole.write_text("of all ratios")  # as an earlier command left it
    for evaluations in (1, 2):
        assert main(PAPER, words) == 0
        shown = capsys.readouterr().out
        assert "eval/return_ratio_0.1" in shown
        assert "ratio_0.05" not in shown
        assert video.stat().st_size > 1000
        assert [line["miss_ratio"] for line in lines(finished / "results.jsonl")[-evaluations:]] == [0.1] * evaluations
    assert [row["miss_ratio"] for row in rows(finished / "evaluation_ratio_0.1.csv")] == ["0.1"]
    assert whole.read_text() == "of all ratios"
    assert is_as_promised(finished)


def test_videos_are_looked_for_in_the_papers_folder_from_anywhere(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert PAPER.project == mummi.worlds.ROOM
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    for folder in (room, elsewhere):
        folder.mkdir()
    for split in ("train", "valid"):
        (room / f"natural_{split}.pkl").write_bytes(pickle.dumps(np.zeros((1, 2, 3, 64, 64), np.uint8)))
        np.save(elsewhere / f"own_{split}.npy", np.zeros((1, 2, 64, 64, 3), np.uint8))
    monkeypatch.setattr(mummi.worlds, "ROOM", room)
    monkeypatch.chdir(elsewhere)
    words = ["evaluate", "--run-dir", str(finished), "--setting", "ratio_0", "--episodes", "1"]
    for place, source in (("None", "natural_train.pkl"), (".", "own videos")):
        assert main(PAPER, [*words, "--backgrounds", place]) == 0
        assert lines(finished / "results.jsonl")[-1]["backgrounds"] == source


BAD_INPUT = {
    "task": (["--task", "walker_wlak"], "no task 'walker_wlak' in paper mummi; did you mean walker_walk?"),
    "method": (["--method", "dreamr"], "no method 'dreamr' in paper mummi; did you mean dreamer?"),
    "fidelity": (["--fidelity", "exact"], "(fidelities: faithful, fixed)"),
    "field": (["--touch-wieght", "1"], "no option '--touch-wieght'; did you mean --touch-weight?"),
    "number": (["--model-lr", "much"], "--model-lr must be a number, got much"),
    "sign": (["--model-lr", "0"], "--model-lr must be positive, got 0.0"),
    "choice": (["--kernel", "cosine"], "--kernel must be mse or bilinear, got cosine"),
    "precision": (["--precision", "64"], "--precision must be 32 or 16, got 64"),
    "ratio": (["--miss-ratio", "1.5"], "--miss-ratio must be between 0 and 1, got 1.5"),
    "length": (["--batch-length", "11"], "--time-limit must be at least batch_length times action_repeat (22), got 20"),
    "searches": (["--forward-search"], "--forward-search must be off where trajectory_opt is on"),
    "other": (["--method", "dreamer", "--kernel", "mse"], "no option '--kernel'"),
    "folder": (["--backgrounds", "/absent"], "backgrounds must be a folder, got /absent"),
    "pattern": (["--weight-decay-pattern", "("], "--weight-decay-pattern must be a regular expression, got ("),
    "logit": (["--mask-logit", "nan"], "--mask-logit must be finite or -inf, got nan"),
    "limit": (["--time-limit", "2000"], "--time-limit must be at most 1000, got 2000"),
    "probe": (["--probe", "--no-multi-modal"], "--probe must be off without multi_modal"),
    "epsilon": (["--poe-eps", "0"], "--poe-eps must be positive"),
    "infinite": (["--model-lr", "inf"], "--model-lr must be finite, got inf"),
    "steps": (["--total-env-steps", "40"], "must be more than the prefill takes in whole episodes (40), got 40"),
    "rounds": (["--total-env-steps", "60", "--envs", "3"], "than the prefill takes in whole episodes (60), got 60"),
    "backgrounds": (["--backgrounds", ""], "--backgrounds must be a folder's path, got "),
    "device": (["--device", "tpu"], "--device must be auto, cpu or cuda, got tpu"),
}


def test_where_nothing_can_draw_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert main(PAPER, train_words(tmp_path / "run")) == 2
    assert capsys.readouterr().err == "mummi: MUJOCO_GL is egl or osmesa where there is no screen, got 'glfw'\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_nothing_is_written(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words, said = BAD_INPUT[case]
    folder = tmp_path / "run"
    assert main(PAPER, [*train_words(folder), *words]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not folder.exists()


def test_help_tells_of_every_command_and_of_the_originals_programs(capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["--help"]) == 0
    assert "backgrounds make a folder" in capsys.readouterr().out
    assert main(PAPER, ["bakgrounds"]) == 2
    assert "did you mean backgrounds? (commands: train," in capsys.readouterr().err
    for words in (["cvrl.py", "--help"], ["--method", "cvrl", "-h"]):
        assert main(PAPER, words) == 0
        assert "fields of cvrl on" in capsys.readouterr().out


@pytest.mark.parametrize("method", PAPER.methods)
def test_every_fields_help_can_be_understood_alone(method: str):
    for field in describe_fields(configure("walker_walk", method, "faithful")):
        dangling = re.match(r"(Of|For|The same|What it) |Step size of that|Weight of that", field["help"])
        assert not dangling, field


def test_a_logit_of_minus_infinity_can_be_written():
    assert parse(configure("walker_walk", "mummi", "faithful"), ["--mask-logit=-inf"], "mummi").mask_logit == -np.inf


def test_videos_that_cannot_be_read_are_refused_before_a_run_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for split in ("train", "valid"):
        (tmp_path / f"natural_{split}.pkl").write_bytes(b"no pickle")
    assert main(PAPER, train_words(tmp_path / "run", "mummi", "--backgrounds", str(tmp_path))) == 2
    assert "natural_train.pkl cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_backgrounds_converts_a_folder_and_refuses_an_absent_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import imageio.v2

    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        imageio.v2.imwrite(source / f"{number}.png", np.full((70, 80, 3), 60 * number, np.uint8))
    target = tmp_path / "target"
    assert main(PAPER, ["backgrounds", "--source", str(source), "--target", str(target), "--frames", "4"]) == 0
    assert {"own_train.npy", "own_valid.npy"} <= {path.name for path in target.iterdir()}
    capsys.readouterr()
    assert main(PAPER, ["backgrounds", "--source", str(tmp_path / "absent"), "--target", str(target)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(PAPER, ["backgrounds", "--target", str(target)]) == 2
    assert "--source" in capsys.readouterr().err


def test_describe_tells_every_task_method_field_and_source(capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["describe", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["config"]) == set(PAPER.tasks)
    for task in PAPER.tasks:
        for method in PAPER.methods:
            assert all(field["help"] for field in content["config"][task][method])
    weights = {
        task: next(field["default"] for field in content["config"][task]["mummi"] if field["name"] == "touch_weight")
        for task in ("walker_walk", "walker_stand", "finger_spin")
    }
    assert weights == {"walker_walk": 0.001, "walker_stand": 0.0025, "finger_spin": 0.1}
    assert content["parameter_counts"]["walker_walk"]["mummi"]["model"] == 12_038_833


@pytest.mark.parametrize("call", ["train(None, None)", "evaluate(None, None, None, None)", "bench('nowhere')"])
def test_tensorflow_is_loaded_without_its_notices(call: str):
    """What is called loads TensorFlow, then fails: the first that is said is that."""
    program = f"from mummi import __main__ as mummi; mummi.{call}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.stderr.startswith("Traceback"), done.stderr
