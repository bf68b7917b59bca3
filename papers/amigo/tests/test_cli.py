"""The command line as a person uses it: files, columns, kill and resume, the original's flags, films, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import imageio.v2 as imageio
import pytest
import torch
from paper_runs import Program, records, rows

from amigo.__main__ import PAPER
from amigo.config import CONFIGS
from amigo.files import COLUMNS, PLAIN_COLUMNS
from amigo.original import translate
from mirl.config import ConfigError
from mirl.paper import main

PROGRAM = Program("amigo")
SMALL = [
    "--num-actors",
    "4",
    "--batch-size",
    "2",
    "--unroll-length",
    "20",
    "--evaluation-episodes",
    "4",
    "--log-every",
    "400",
]
ROUND = 4 * 20


def train_words(directory: Path, method: str, rounds: int = 10, *more: str) -> list[str]:
    teacher = [] if method == "impala" else ["--generator-batch-size", "6"]
    names = ["train", "--task", "Empty-5x5", "--method", method, "--seed", "0", "--run-dir", str(directory)]
    total = ["--total-env-steps", str(rounds * ROUND), "--evaluation-every", "400"]
    return [*names, "--device", "cpu", *SMALL, *teacher, *total, *more]


def updates(directory: Path) -> list[dict[str, str]]:
    """Rows of logs.csv without the time."""
    return [{name: cell for name, cell in row.items() if name != "_time"} for row in rows(directory / "logs.csv")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run for each method."""
    folder = tmp_path_factory.mktemp("runs")
    for method in CONFIGS:
        assert main(PAPER, train_words(folder / method, method)) == 0
    return {method: folder / method for method in CONFIGS}


@pytest.mark.parametrize("method", CONFIGS)
def test_a_run_leaves_the_promised_files(finished: dict[str, Path], method: str):
    promised = {"logs.csv", "fields.csv", "meta.json", "model.tar", "manifest.json", "metrics.csv", "episodes.csv"}
    assert promised <= {path.name for path in finished[method].iterdir()}
    files = json.loads((finished[method] / "manifest.json").read_text())["files"]
    assert {"logs.csv", "fields.csv", "meta.json", "model.tar"} <= set(files)


@pytest.mark.parametrize("method", CONFIGS)
def test_logs_csv_has_the_originals_columns_and_a_row_an_update(finished: dict[str, Path], method: str):
    columns = COLUMNS if method in ("amigo", "amigo_adaptive") else PLAIN_COLUMNS
    header = (finished[method] / "logs.csv").read_text().splitlines()[0]
    assert header == ",".join(["# _tick", "_time", "frames", *columns])
    table = updates(finished[method])
    assert [int(row["frames"]) for row in table] == list(range(0, 20 * 2 * 20, 40))
    assert [int(row["# _tick"]) for row in table] == list(range(20))


def test_the_teachers_cells_are_empty_where_it_was_not_updated(finished: dict[str, Path]):
    table = updates(finished["amigo"])
    taught = [row for row in table if row["gg_loss"]]
    assert 0 < len(taught) < len(table)
    assert all(bool(row["generator_current_target"]) == bool(row["gg_loss"]) for row in table)


def test_meta_json_holds_the_flags_and_nothing_of_the_environment(finished: dict[str, Path]):
    meta = json.loads((finished["amigo_adaptive"] / "meta.json").read_text())
    assert set(meta) == {"args", "date_end", "successful"}
    assert meta["successful"] is True
    assert (meta["args"]["env"], meta["args"]["model"]) == ("MiniGrid-Empty-5x5-v0", "window_adaptive")
    assert not {name for name in os.environ if name in json.dumps(meta)} - {"_"}


def test_weights_load_as_plain_tensors(finished: dict[str, Path]):
    model = torch.load(finished["amigo"] / "model.tar", weights_only=True)
    assert set(model) == {"model_state_dict", "optimizer_state_dict", "scheduler_state_dict", "flags",
                          "generator_model_state_dict", "generator_model_optimizer_state_dict",
                          "generator_scheduler_state_dict"}  # fmt: skip
    assert sum(tensor.numel() for tensor in model["model_state_dict"].values()) == 119137
    assert (finished["amigo"] / "model.tar").stat().st_size < 5 * 4 * (119137 + 6348)


def episodes_told(directory: Path) -> tuple[int, float, float]:
    """Of all rows together: how many episodes ended in training, the sums of their returns and of their steps."""
    table: dict[str, dict[str, float]] = {}
    for step, name, value in records(directory):
        table.setdefault(step, {})[name] = float(value)
    told = [row for row in table.values() if "train/episodes" in row]
    assert all(("train/return" in row) == (row["train/episodes"] > 0) for row in told)
    some = [row for row in told if row["train/episodes"]]
    sums = [sum(row["train/episodes"] * row[name] for row in some) for name in ("train/return", "train/length")]
    return int(sum(row["train/episodes"] for row in told)), sums[0], sums[1]


def test_rows_tell_every_episode_of_training_once(tmp_path: Path):
    found = []
    for rounds in (1, 3, 50):  # a row a round, rows that a round's end does not fit, one row
        folder = tmp_path / str(rounds)
        more = ["--log-every", str(rounds * ROUND - 1 if rounds > 1 else ROUND)]
        assert main(PAPER, train_words(folder, "impala", 50, *more)) == 0
        found.append(episodes_told(folder))
    (count, total, steps), *others = found
    assert count > 20
    assert 50 * ROUND - 4 * 100 <= steps <= 50 * ROUND  # the last episode of each actor need not have ended
    for other in others:
        assert other[0] == count
        assert other[1:] == pytest.approx((total, steps), rel=1e-9)


@pytest.mark.parametrize("method", CONFIGS)
def test_what_a_method_learns_is_told(finished: dict[str, Path], method: str):
    names = {name for _, name, _ in records(finished[method])}
    assert {"loss/policy", "loss/value", "loss/entropy", "train/learning_rate", "eval/return", "eval/success"} <= names
    assert ("train/difficulty" in names) == (method in ("amigo", "amigo_adaptive"))
    assert ("loss/novelty" in names) == (method == "amigo_novelty")


def test_tests_are_recorded_while_training_and_at_its_end(finished: dict[str, Path]):
    steps = [int(step) for step, name, _ in records(finished["impala"]) if name == "eval/return"]
    assert steps == [400, 800]
    assert len(rows(finished["impala"] / "episodes.csv")) == 4


def test_evaluating_again_repeats_the_test_at_the_end_of_training(
    finished: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    last = [value for _, name, value in records(finished["amigo"]) if name == "eval/return"][-1]
    assert main(PAPER, ["evaluate", "--run-dir", str(finished["amigo"])]) == 0
    assert f"{float(last):.6g}" in capsys.readouterr().out


def test_greedy_actions_are_a_setting(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", "--run-dir", str(finished["impala"]), "--setting", "greedy", "--episodes", "3"]
    assert main(PAPER, words) == 0
    assert "eval/length" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["amigo", "impala"])
def test_a_film_can_be_played_and_shows_the_goal_of_a_teacher(finished: dict[str, Path], tmp_path: Path, method: str):
    film = tmp_path / "new folder" / "film.mp4"
    words = ["evaluate", "--run-dir", str(finished[method]), "--episodes", "1", "--video", str(film)]
    assert main(PAPER, words) == 0
    frames = list(imageio.get_reader(film, format="FFMPEG").iter_data())  # type: ignore[attr-defined]
    assert len(frames) >= 2
    assert frames[0].shape == (184, 160, 3)  # five cells, and a line of text


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("amigo", []),
        ("amigo", ["--actor-groups", "2", "--use-lstm"]),
        ("amigo_novelty", ["--use-lstm"]),
        ("impala", ["--batch-size", "3"]),
    ],
)
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_continues_and_ends_equal(tmp_path: Path, kill: signal.Signals, method: str, more: list[str]):
    if kill is signal.SIGKILL and method != "amigo":
        pytest.skip("one method shows what a kill without warning does")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    words = ["--save-every", "1", *more]
    assert main(PAPER, train_words(whole, method, 40, *words)) == 0
    PROGRAM.stopped(
        *train_words(broken, method, 40, *words), when=(broken / "checkpoint" / "latest.json").exists, kill=kill
    )
    assert main(PAPER, train_words(broken, method, 40, *words)) == 0
    assert records(broken) == records(whole)
    assert updates(broken) == updates(whole)
    assert (broken / "episodes.csv").read_bytes() == (whole / "episodes.csv").read_bytes()
    models = [torch.load(folder / "model.tar", weights_only=True) for folder in (broken, whole)]
    ours, theirs = (model["model_state_dict"] for model in models)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_finished_run_is_left_alone(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, train_words(finished["impala"], "impala")) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = train_words(tmp_path / "run", "impala", 10, "--learning-rate", "1e38", "--grad-norm", "1e38")
    assert main(PAPER, words) == 1
    assert "loss/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--learning-rate", "-1"], "--learning-rate must be positive, got -1.0"),
        (["--reward-clipping", "some"], "--reward-clipping must be abs_one or soft_asymmetric or none, got some"),
        (["--windw", "3"], "no option '--windw'"),
        (["--total-env-steps", "39"], "--total-env-steps must be at least 40, the frames of one update, got 39"),
        (["--task", "KeyCoridorS3R3"], "did you mean KeyCorridorS3R3?"),
        (["--method", "impalla"], "did you mean impala?"),
        (["--fidelity", "faithful"], "paper"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, [*train_words(tmp_path / "run", "amigo"), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_weights_of_another_task_or_method_or_no_weights_get_one_line(finished: dict[str, Path], tmp_path: Path):
    weights = finished["amigo"] / "model.tar"
    shutil.copy(weights, tmp_path / "alone.tar")
    for path in (weights, tmp_path / "alone.tar"):
        for words, complaint in (
            (["--env", "MiniGrid-Empty-8x8-v0"], "--env asks for Empty-8x8, the weights in .* are of Empty-5x5"),
            (["--env", "Empty-5x5", "--model", "novelty_based"], "--model asks for amigo_novelty, .* are of amigo"),
        ):
            with pytest.raises(ConfigError, match=complaint):
                translate(["--mode", "test", "--weight_path", str(path), *words])
    shutil.copy(weights, tmp_path / "model.tar")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"run\.json lacks what a run says of itself"):
        translate(["--mode", "test", "--weight_path", str(tmp_path / "model.tar")])


@pytest.mark.parametrize("method", CONFIGS)
def test_a_model_tar_without_its_run_plays_as_the_run_does(
    finished: dict[str, Path], tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
):
    alone, episodes = tmp_path / "alone.tar", ["--episodes", "4"]
    shutil.copy(finished[method] / "model.tar", alone)
    assert main(PAPER, ["evaluate", "--run-dir", str(finished[method]), *episodes]) == 0
    of_run = capsys.readouterr().out
    assert main(PAPER, ["weights", "--weight-path", str(alone), *episodes]) == 0
    assert capsys.readouterr().out == of_run
    assert "eval/return" in of_run


def test_describe_knows_every_task_and_field(capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["describe", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameter_counts"]["KeyCorridorS3R3"]["amigo"] == {"student": 119617, "teacher": 6372}
