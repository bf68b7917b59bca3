"""The original's command lines: what they mean here, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirl.config import ConfigError
from mirl.run import Header, open_run
from mummi.__main__ import PAPER
from mummi.config import configure
from mummi.original import translate


@pytest.mark.parametrize("method", PAPER.methods)
def test_the_readmes_lines_are_understood(method: str):
    words = [f"{method}.py", "--logdir", f"./logdir/dmc_walker_walk/{method}", "--task", "dmc_walker_walk"]
    expected = ["train", "--task", "walker_walk", "--method", method, "--seed", "0", "--run-dir", words[2]]
    assert translate(words) == expected
    assert translate(["--method", method, *words[1:]]) == expected


def test_the_originals_flags_become_ours():
    got = translate(["--logdir", "L", "--task", "dmc_cup_catch", "--steps", "2e6", "--seed=3", "--pcont", "True",
                     "--trajectory_opt", "False", "--miss_ratio", "0.1", "--action_dist", "tanh_normal",
                     "--expl", "epsilon_greedy"])  # fmt: skip
    assert got == [
        "train", "--task", "cup_catch", "--method", "mummi", "--seed", "3", "--run-dir", "L",
        "--total-env-steps", "2000000", "--pcont", "--no-trajectory-opt", "--miss-ratio", "0.1",
        "--expl", "epsilon_greedy",
    ]  # fmt: skip
    assert translate(["--logdir", "L", "--test", "True"]) == ["evaluate", "--run-dir", "L"]
    assert translate(["--method", "cvrl", "--help"]) == ["train", "--help", "--method", "cvrl"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "dmc_walker_walk"], "--logdir is needed"),
        (["--logdir", "L", "--task", "dmc_walker_wlak"], "walker_walk"),
        (["--logdir", "L", "--use_sac", "True"], "--use_sac must be False, got True"),
        (
            ["--logdir", "L", "--steps", "100"],
            "--steps must be more than the prefill .* got 100",
        ),
        (["--logdir", "L", "--batch_size", "0"], "--batch_size must be positive, got 0"),
        (["--logdir", "L", "--batch-size=much"], "--batch-size must be a whole number, got much"),
        (["--logdir", "L", "--forward_search", "True"], r"--forward_search must be off where .*--trajectory_opt False"),
        (
            ["--logdir", "L", "--expl", "bold"],
            "--expl must be additive_gaussian or .* or epsilon_greedy",
        ),
        (["--logdir", "L", "--method", "dreamer", "--trajectory_opt", "no"], "--trajectory_opt must be True or False"),
        (["--logdir", "L", "--pcont", "1"], "--pcont must be True or False, got 1"),
        (["--logdir", "L", "--hrizon", "3"], "did you mean --horizon?"),
        (["--logdir", "L", "--method", "dreamer", "--kernel", "mse"], "--kernel means nothing"),
        (["--logdir"], "--logdir needs a value"),
        (["--logdir", "L", "stray"], "'stray' belongs to no option"),
    ],
)
def test_what_the_original_could_not_do_is_refused_in_one_line(words: list[str], said: str):
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")) as caught:
        translate(words)
    assert "\n" not in str(caught.value)


def test_what_dreamer_took_and_did_not_read_has_no_effect_and_is_said_to(capsys: pytest.CaptureFixture[str]):
    words = ["dreamer.py", "--logdir", "L"]
    more = ["--trajectory_opt", "True", "--traj_opt_lr", "0.01", "--forward_search", "False", "--num_samples", "5"]
    assert translate([*words, *more]) == translate(words)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "mummi: --trajectory_opt has no effect in dreamer, as in the original"
    assert len(said) == 4


def test_a_test_line_takes_names_from_the_run_and_flags_as_in_training(tmp_path: Path):
    header = Header("mummi", "walker_stand", "cvrl", 3, "faithful", "cpu")
    assert open_run(tmp_path, header, configure("walker_stand", "cvrl", "faithful"))
    words = ["--logdir", str(tmp_path), "--test", "True"]
    expected = ["evaluate", "--run-dir", str(tmp_path)]
    assert translate(words) == expected
    told = [*words, "--task", "dmc_walker_stand", "--method", "cvrl", "--seed", "3"]
    assert translate([*told, "--eval_noise", "0.1", "--natural", "False"]) == [
        *expected, "--eval-noise", "0.1", "--no-natural",
    ]  # fmt: skip
    for more, said in {
        ("--task", "dmc_cup_catch"): "--task must be walker_stand, which .* was trained with, got cup_catch",
        ("--method", "dreamer"): "--method must be cvrl, which .* was trained with, got dreamer",
        ("--seed", "1"): "--seed must be 3, which .* was trained with, got 1",
        ("--hrizon", "3"): "did you mean --horizon",
        ("--kernel", "mse"): "--kernel means nothing",
        ("--discount", "2"): "--discount must be between 0 and 1, got 2.0",
        ("--use_sac", "True"): "--use_sac must be False",
    }.items():
        with pytest.raises(ConfigError, match=said):
            translate([*words, *more])
