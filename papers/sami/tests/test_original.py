"""The original's command line (card 2.1): the same experiment, or one line that says why not."""

from __future__ import annotations

import pytest

from mirl.config import ConfigError
from sami.__main__ import without_aliases
from sami.fidelity import configure
from sami.original import task_of, translate

ANT_LINE = (
    "--method SaCCM --env_name Ant-v3 --env_hook DominoHook --adversarial_loss_coef 0.1 --use_weighted_info_nce "
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
    differing = set(options) - {"--task", "--method", "--seed", "--run-dir"}
    assert differing == {"--train-envs", "--test-envs"}, "everything else is the task's default"


def test_the_parsers_defaults_are_the_eight_panda_cells():
    options = options_of(translate(["--method", "TESAC"]))
    assert (options["--task"], options["--seed"]) == (["panda"], ["100"])
    assert (options["--slots"], options["--batch-size"], options["--buffer-size"]) == (["8"], ["16"], ["100"])
    assert options["--total-env-steps"] == [str(8 * 500_000)]
    assert "--contrast-batch-size" not in options, "tesac has no such field"


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
    [("PandaPush-v3", "panda"), ("WalkerHopper", "crippled_walker"), ("CrippledHalfCheetah-v1", "crippled_halfcheetah"),
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
        ("--env_name Swimmer", "--env_name must name one of"),
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
