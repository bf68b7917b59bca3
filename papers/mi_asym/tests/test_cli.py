"""The command line as a person uses it: stages, files, kill and resume, the original's scripts, bad input."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from paper_runs import Program, records

from mi_asym.__main__ import PAPER
from mi_asym.collect import load_data
from mi_asym.original import translate
from mi_asym.stages import cache_folder
from mirl.config import ConfigError
from mirl.paper import main

PROGRAM = Program("mi_asym")
TINY = [
    "--total-env-steps", "260", "--start-training", "2", "--batch-size", "6", "--eval-interval", "1",
    "--eval-episodes", "3", "--smaller-stages", "tiny",
]  # fmt: skip


def train_words(directory: Path, method: str, *more: str, task: str = "heaven_hell") -> list[str]:
    names = ["train", "--task", task, "--method", method, "--seed", "0", "--run-dir", str(directory)]
    return [*names, "--device", "cpu", "--no-tensorboard", *TINY, *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the paper's method, with its stages in a cache beside it."""
    folder = tmp_path_factory.mktemp("runs") / "ours"
    done = PROGRAM.run(*train_words(folder, "ours_gru"))
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_learns_evaluates_and_tells_of_stage_2(finished: Path):
    names = {name for _, name, _ in records(finished)}
    assert {"eval/success", "eval/return", "eval/length", "eval/information_visits"} <= names
    assert {"loss/critic", "loss/auxiliary", "loss/reconstruction", "train/return", "loss/stage_2_total"} <= names
    assert (finished / "manifest.json").exists()
    assert {"loss/stage_2_blind_error", "loss/stage_2_blind_error_informed"} <= names


def test_the_manifest_holds_what_was_run_not_what_was_asked_for(finished: Path):
    config = json.loads((finished / "manifest.json").read_text())["config"]
    ran = {name: config[name] for name in ("collect_episodes", "collect_random_episodes", "pretrain_epochs")}
    assert ran == {"collect_episodes": 30, "collect_random_episodes": 30, "pretrain_epochs": 2}
    assert (config["pretrain_batch_size"], config["aux_batch_size"]) == (100, 8)
    (table,) = finished.parent.glob("cache/mi_asym/encoders-*/pretrain.csv")
    assert len(table.read_text().splitlines()) == 1 + config["pretrain_epochs"]
    (data,) = finished.parent.glob("cache/mi_asym/data-*/*.data")
    assert load_data(data).num_episodes == config["collect_episodes"]


def test_stages_are_made_once_and_found_again(finished: Path, capsys: pytest.CaptureFixture[str]):
    cache = finished.parent / "cache" / "mi_asym"
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.suffix in (".pt", ".data", ".csv")}
    assert before
    again = finished.parent / "again"
    assert main(PAPER, train_words(again, "ours_gru")) == 0
    assert main(PAPER, train_words(finished.parent / "zero", "zero_off")) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(cache.glob("encoders-*"))) == len(list(cache.glob("data-*"))) == 1
    assert records(again) == records(finished)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_continues_and_ends_equal(finished: Path, tmp_path: Path, kill: signal.Signals):
    broken, cache = tmp_path / "broken", tmp_path / "cache"
    words = train_words(broken, "ours_gru")
    PROGRAM.stopped(*words, when=(broken / "checkpoint" / "latest.json").exists, kill=kill)
    PROGRAM.continues(*words)
    assert records(broken) == records(finished)
    assert cache.is_dir()


@pytest.mark.slow
def test_a_run_that_is_stopped_in_stage_2_goes_on_there(tmp_path: Path):
    long = [
        "--smaller-stages",
        "no",
        "--collect-episodes",
        "60",
        "--collect-random-episodes",
        "60",
        "--pretrain-epochs",
        "40",
    ]
    long += ["--pretrain-batch-size", "100", "--aux-batch-size", "6"]
    broken, whole = ([*train_words(tmp_path / name / "run", "ours_gru"), *long] for name in ("broken", "whole"))
    folder = tmp_path / "broken"
    said = PROGRAM.stopped(*broken, when=lambda: list(folder.glob("cache/mi_asym/encoders-*/run.lock")))
    assert "in stage 2, after epoch" in said
    assert list((tmp_path / "broken").glob("cache/mi_asym/encoders-*/pretrain.pt"))
    assert PROGRAM.run(*broken).returncode == PROGRAM.run(*whole).returncode == 0
    assert records(tmp_path / "broken" / "run") == records(tmp_path / "whole" / "run")


def test_a_trained_run_is_judged_from_its_checkpoint_alone(finished: Path, capsys: pytest.CaptureFixture[str]):
    film = finished.parent / "film.mp4"
    assert main(PAPER, ["evaluate", "--run-dir", str(finished), "--episodes", "4", "--video", str(film)]) == 0
    assert "eval/information_visits" in capsys.readouterr().out
    assert film.stat().st_size > 1000


def test_each_stage_runs_alone_under_the_originals_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    env = ["--config_env", "configs/envs/heaven_hell.py"]
    assert main(PAPER, ["main_collect_data.py", *env, "--episodes", "15", "--random_episodes", "15"]) == 0
    data = capsys.readouterr().out.strip().splitlines()[-1]
    repr_ = ["--config_repr", "configs/repr/heaven_hell.py", "--data_path", data, "--num_epochs", "1", "--cuda", "-1"]
    assert main(PAPER, ["main_pretrain_representations_cv_mim.py", *env, *repr_]) == 0
    folder = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert folder == Path("pretrained_encoders/heaven_hell/s0_end0_cv_mim")
    line = [*env, "--config_rl", "configs/rl/dqn_ours_default.py", "--config_seq", "configs/seq/gru_default.py"]
    files = ["--state_embedder_dir", str(folder / "s_encoder.pt"), "--obs_embedder_dir", str(folder / "o_encoder.pt")]
    short = ["--train_episodes", "1", "--start_training", "1", "--batch_size", "4", "--cuda", "-1", "--seed", "1"]
    assert main(PAPER, ["main.py", *line, *files, *short]) == 0
    assert (tmp_path / "logs" / "heaven_hell_ours_gru_s1" / "manifest.json").exists()
    assert not (tmp_path / "logs" / "cache").exists()


def test_the_originals_training_lines_name_methods():
    def method(rl: str, seq: str, env: str = "sphinx") -> str:
        line = (
            f"main --config_env configs/envs/{env}.py --config_rl configs/rl/{rl}.py --config_seq configs/seq/{seq}.py"
        )
        words = translate(line.split())
        return words[words.index("--method") + 1]

    assert method("dqn_default", "gru_cnn_default") == "drqn"
    assert method("dqn_default", "gpt_cnn_default") == "dtqn"
    assert method("dqn_zp_default", "gpt_cnn_zp_default") == "zp_gpt"
    assert method("dqn_ours_default", "mlp_cnn_rebuttal_default") == "no_history"
    assert method("dqn_believer_rnn_default", "gru_cnn_default") == "believer_gru"
    assert method("sac_ours_robot_default", "gpt_robot_cnn_default", "block_pulling") == "ours_gpt"
    assert method("sac_embed_robot_default", "mlp_robot_cnn_default", "drawer_opening") == "mdp"


def test_a_sequence_config_gives_its_width():
    line = "--config_env e/sphinx.py --config_rl r/dqn_ours_default.py --config_seq s/gpt_cnn_zp_default.py"
    words = translate(line.split())
    assert words[words.index("--method") + 1] == "ours_gpt"
    assert words[words.index("--observation-width") + 1] == "112"


def test_the_originals_episodes_become_environment_steps():
    line = "--config_env configs/envs/heaven_hell.py --config_rl configs/rl/dqn_default.py --train_episodes 10000"
    words = translate(line.split())
    assert words[words.index("--total-env-steps") + 1] == "500500"
    assert words[words.index("--fidelity") + 1] == "faithful"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("main --config_env configs/envs/heaven_hel.py --config_rl configs/rl/dqn_default.py", "heaven_hell"),
        ("main --config_env configs/envs/sphinx.py", "--config_rl"),
        ("main --config_env configs/envs/sphinx.py --config_rl configs/rl/dqn_ourz.py", "dqn_ours_default"),
        ("main --config_env configs/envs/sphinx.py --config_rl configs/rl/dqn_default.py --seed -1", "--seed"),
        ("main --config_env e/sphinx.py --config_rl r/dqn_default.py", "--config_seq is needed"),
        ("main --config_env e/sphinx.py --config_rl r/dqn_default.py --config_seq s/gru_default.py", "gru_cnn_default"),
        ("main --config_env e/sphinx.py --config_rl r/dqn_default.py --config_seq s/mlp_cnn_default.py", "gru or gpt"),
        (
            "main --config_env e/sphinx.py --config_rl r/dqn_zp_default.py --config_seq s/mlp_cnn_rebuttal_default.py",
            "gru or gpt",
        ),
        (
            "main --config_env e/heaven_hell.py --config_rl r/dqn_zero_on_default.py --config_seq s/gpt_default.py",
            "mlp",
        ),
        ("main_pretrain_representations --config_env configs/envs/sphinx.py --data_path x", "--config_repr"),
        ("main_collect_data --config_env configs/envs/sphinx.py --episode 3", "--episode"),
    ],
)
def test_original_flags_that_cannot_be_honoured_get_one_line(line: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        translate(line.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--tau", "0"], "--tau must be in (0, 1], got 0.0"),
        (["--memory", "lstm"], "--memory"),
        (["--task", "heaven_hel"], "did you mean heaven_hell?"),
        (["--method", "our_gru"], "did you mean ours_gru?"),
        (["--belief-samples", "3"], "--belief-samples"),
        (["--method", "ua", "--no-share-passes"], "no option '--no-share-passes'"),
        (["--loss-weight", "inf"], "--loss-weight must be at least 0 and finite"),
        (["--collect-episodes", "20"], "--collect-random-episodes must be 0 to --collect-episodes, which is 20"),
        (["--collect-random-episodes", "20"], "--collect-random-episodes must be 30, all of --collect-episodes"),
        (["--start", "uniform"], "--start uniform is for carflag_2d only"),
        (["--state-embedder", "no.pt", "--obs-embedder", "no.pt"], "no.pt does not exist"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, [*train_words(tmp_path / "run", "ours_gru"), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["collect"], "--task is needed"),
        (["collect", "--task", "sphinx", "--episodes", "0"], "--episodes must be a whole number of at least 1"),
        (["pretrain", "--task", "sphinx"], "--data is needed"),
        (["pretrain", "--task", "sphinx", "--data", "nowhere.data"], "nowhere.data"),
        (["pretrain", "--task", "sphinx", "--data", "x", "--encoder-lr", "0"], "--encoder-lr must be positive"),
        (["pretrain", "--task", "sphinx", "--data", "x", "--folder", "made"], "there is no data file x"),
    ],
)
def test_bad_stage_commands_get_one_line(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(PAPER, words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_cache_lies_beside_the_runs(tmp_path: Path):
    inside = tmp_path / "results" / "runs" / "tiny" / "mi_asym" / "sphinx" / "mdp" / "seed0"
    assert cache_folder(inside, "") == tmp_path / "results" / "cache" / "mi_asym"
    assert cache_folder(tmp_path / "mine", "") == tmp_path / "cache" / "mi_asym"
    assert cache_folder(inside, "/elsewhere") == Path("/elsewhere")
