"""The original's command line (card 2.1): the same experiment, or one line that says why not."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirl.config import ConfigError
from mirl.paper import main
from sami.__main__ import PAPER, without_aliases
from sami.fidelity import configure
from sami.original import task_of, translate

ANT_LINE = (
    "--method SaCCM --env_name AntEnv --env_hook DominoHook --adversarial_loss_coef 0.1 --use_weighted_info_nce "
    "--seed 421 --test_eps_num_per_env 5"
)
ANT_TRAIN = (
    "[([.75,.85],[.75,.85]),([.75,.85],[1.0,1.15,1.25]),([1.0,1.15,1.25],[.75,.85]),([1.0,1.15,1.25],[1.0,1.15,1.25])]"
)
ANT_TEST = "[([.4,.5],[.4,.5]),([.4,.5],[1.5,1.6]),([1.5,1.6],[.4,.5]),([1.5,1.6],[1.5,1.6])]"


def options_of(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words[1:]:
        if word.startswith("--"):
            found[word] = values = []
        else:
            values.append(word)
    return found


def test_the_ant_script_is_our_ant():
    words = translate([*ANT_LINE.split(), "--train_envs", ANT_TRAIN, "--test_envs", ANT_TEST])
    options = options_of(words)
    assert words[:7] == ["train", "--task", "ant", "--method", "saccm", "--seed", "421"]
    assert options["--fidelity"] == ["faithful"]
    differing = set(options) - {"--task", "--method", "--seed", "--run-dir", "--fidelity"}
    assert differing == {"--train-envs", "--test-envs"}, "everything else is the task's default"


def test_the_parsers_defaults_are_the_eight_panda_cells():
    options = options_of(translate(["--method", "TESAC"]))
    assert (options["--task"], options["--seed"]) == (["panda"], ["100"])
    assert (options["--slots"], options["--batch-size"], options["--buffer-size"]) == (["8"], ["16"], ["100"])
    assert options["--total-env-steps"] == [str(8 * 500_000)]
    assert "--contrast-batch-size" not in options, "tesac has no such field"


PANDA_LINE = (
    "--method SaCCM --env_name PandaPush-v3 --adversarial_loss_coef 0.01 --buffer_size 1000 --train_freq 128 "
    "--gradient_steps 16 --learning_rate 1e-3 --batch_size 256 --contrast_batch_size 256 --encoder_tau 0.05 --seed 100 "
    "--time_step 1000000 --test_eps_num_per_env 50 --train_envs [(0,1),(0,5),(1,1),(1,5)] "
    "--test_envs [(0,10),(1,10),(10,10),(30,10)]"
)


@pytest.mark.parametrize(
    ("words", "task", "expected"),
    [
        (
            [*ANT_LINE.split(), "--train_envs", ANT_TRAIN, "--test_envs", ANT_TEST],
            "ant",
            {"adversarial_loss_coef": 0.1, "use_weighted_info_nce": True, "evaluation_episodes": 5, "batch_size": 16,
             "total_env_steps": 2_000_000, "slots": 4, "batch_slots": "all"},
        ),
        (
            PANDA_LINE.split(),
            "panda",
            {"adversarial_loss_coef": 0.01, "buffer_size": 1000, "batch_size": 256, "contrasted": 256, "slots": 4,
             "evaluation_episodes": 50, "total_env_steps": 4_000_000},
        ),
    ],
)  # fmt: skip
def test_the_releases_launch_scripts_start_as_printed(
    words: list[str], task: str, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With everything but the days of training."""
    monkeypatch.chdir(tmp_path)
    started: list[tuple[str, Any]] = []
    paper = replace(PAPER, train=lambda run, config: started.append((run.header.task, config)))
    assert main(paper, words) == 0
    ((name, config),) = started
    assert (name, config.contrast_selection) == (task, "half")
    assert {field: getattr(config, field) for field in expected} == expected


EVERY_FLAG = (
    "--method SaCCM --env_name CrippleHopperEnv --env_hook DominoHook --adversarial_loss_coef 0.1 --batch_size 4 "
    "--contrast_batch_size 4 --contrast_buffer_type fine_grained --contrast_training_interval 1 --time_step 2304 "
    "--causal_dim 4 --causal_hidden_dim 8 --buffer_size 3 --use_weighted_info_nce --use_reward_norm "
    "--learning_rate 1e-3 --train_freq 128 --gradient_steps 1 --encoder_tau 0.05 --neg_radio 1.0 --seed 7 "
    "--train_envs [((0,),(2,),(1.0,)),((1,),(0,),(1.0,))] --test_envs [((2,),(0,),(1.0,))] --test_eps_num_per_env 1 "
    "--wandb_project_name ours --wandb_team_name us"
)


def test_every_flag_of_the_original_trains_then_tests_with_a_film_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(PAPER, EVERY_FLAG.split()) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("CrippleHopperEnv_SaCCM_")
    assert "loss/contrastive" in (folder / "metrics.csv").read_text()
    testing = ["--config_path", f"runs/{folder.name}", "--test_eps_num_per_env", "1"]
    assert main(PAPER, [*testing, "--test_envs", "[((0,),(0,),(4.0,))]", "--save_video"]) == 0
    assert "eval/return_given" in capsys.readouterr().out
    assert (folder / "test.mp4").stat().st_size > 0
    more = EVERY_FLAG.replace("--time_step 2304", "--time_step 128").split()
    assert main(PAPER, [*more, *testing[:2], "--use_continue_train"]) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed here")
def test_wandb_is_named_where_the_originals_flag_asks_for_it_and_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(PAPER, [*EVERY_FLAG.split(), "--use_wandb"]) == 2
    said = capsys.readouterr().err
    assert "wandb" in said
    assert len(said.strip().splitlines()) == 1


def test_flags_of_the_learner_reach_our_fields():
    line = (
        "--method SaSAC --env_name HalfCheetah --causal_dim 4 --causal_hidden_dim 32 --neg_radio 0.25 --encoder_tau 0.1"
    )
    line += " --time_step 1000 --use_wandb --save_video"
    options = options_of(translate(line.split()))
    assert (options["--method"], options["--task"]) == (["satesac"], ["halfcheetah"])
    assert (options["--context-size"], options["--context-hidden-size"]) == (["4"], ["32"])
    assert (options["--negative-share"], options["--encoder-tau"]) == (["0.25"], ["0.1"])
    assert options["--total-env-steps"] == ["4000"]
    assert {"--wandb", "--save-video"} <= set(options)


def test_saccmall_is_saccm_with_its_own_selection():
    options = options_of(translate(["--method", "SaCCMAll", "--env_name", "Walker"]))
    assert (options["--method"], options["--contrast-selection"]) == (["saccm"], ["all"])


def test_a_config_path_is_tested_and_continued_only_when_asked():
    words = translate(
        ["--config_path", "runs/x", "--env_name", "Ant", "--test_eps_num_per_env", "7", "--test_envs", ANT_TEST]
    )
    assert words[:5] == ["evaluate", "--run-dir", "runs/x", "--episodes", "7"]
    assert words[5:] == ["--setting", "given", "--test-envs", ANT_TEST]
    going_on = translate(["--config_path", "runs/x", "--env_name", "Ant", "--use_continue_train"])
    assert options_of(going_on)["--initial-run"] == ["runs/x"]
    assert options_of(going_on)["--run-dir"] != ["runs/x"]


def test_an_empty_list_of_tests_is_the_parsers_default():
    words = translate(["--env_name", "Ant", "--test_envs", "[]"])
    assert "--test-envs" not in words
    with pytest.raises(ConfigError, match="--train-envs names no task tuple"):
        translate(["--env_name", "Ant", "--train_envs", "[]"])


@pytest.mark.parametrize(
    ("name", "task"),
    [("PandaPush-v3", "panda"), ("AntEnv", "ant"), ("CrippleAntEnv", "crippled_ant"), ("HalfCheetahEnv", "halfcheetah"),
     ("CrippleHalfCheetahEnv", "crippled_halfcheetah"), ("HopperEnv", "hopper"),
     ("CrippleHopperEnv", "crippled_hopper"), ("WalkerEnv", "walker"), ("CrippleWalkerEnv", "crippled_walker"),
     ("WalkerHopperEnv", "crippled_walker"), ("SlimHumanoidEnv", "slim_humanoid"),
     ("HumanoidStandupEnv", "humanoid_standup"), ("WalkerHopper", "crippled_walker"),
     ("CrippledHalfCheetah-v1", "crippled_halfcheetah"),
     ("SlimHumanoid", "slim_humanoid"), ("HumanoidStandup", "humanoid_standup"), ("halfcheetah", "halfcheetah")],
)  # fmt: skip
def test_environments_are_known_by_their_class_names(name: str, task: str):
    assert task_of(name) == task


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--method SAC", "--method SAC is plain SAC"),
        ("--method SaCCM2", "--method SaCCM2"),
        ("--method PPO", "no method 'PPO'"),
        ("--env_name Swimmer", "--env_name must be one of PandaPush-v3, AntEnv, "),
        ("--batch_size many", "batch_size"),
        ("--batch_size 15", "--batch-size must be a multiple of --slots"),
        ("--train_envs nothing", "--train-envs: 'nothing' is not a list"),
        ("--use_continue_train", "needs --config_path"),
        ("--unknown 1", "--unknown"),
    ],
)
def test_what_cannot_be_honoured_gets_one_line(line: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        translate(line.split())
    assert "\n" not in str(caught.value)


def test_the_released_spelling_of_satesac_is_understood_by_train():
    assert without_aliases(["train", "--method", "SaSAC"]) == ["train", "--method", "satesac"]
    assert without_aliases(["train", "--method=sasac"]) == ["train", "--method=satesac"]
    assert without_aliases(["train", "--method", "saccm"]) == ["train", "--method", "saccm"]
    assert configure("ant", "satesac", "faithful")
