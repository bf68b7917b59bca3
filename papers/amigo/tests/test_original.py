"""The original's command line: the README's lines as printed, every flag, and what cannot be honoured."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amigo.__main__ import PAPER
from amigo.original import REFUSED, make_parser, translate
from mirl.config import ConfigError
from mirl.paper import main

TRAINING = r"""
OMP_NUM_THREADS=1 python -m main.main --env MiniGrid-KeyCorridorS3R3-v0 \
--num_actors 40 --modify --generator_batch_size 150 --generator_entropy_cost .05 \
--generator_threshold -.1 --total_frames 100000000 --generator_reward_negative -.3 \
--savedir ./experimentMinigrid --model default
"""
ADAPTIVE = r"""
OMP_NUM_THREADS=1 python -m main.main --env MiniGrid-KeyCorridorS3R3-v0 \
--num_actors 40 --modify --generator_batch_size 150 --generator_entropy_cost .05 \
--generator_threshold -.5 --total_frames 100000000 --generator_reward_negative -.3 \
--savedir ./experimentMinigrid --model window_addaptive --window 50
"""
NOVELTY = r"""
OMP_NUM_THREADS=1 python -m main.main --env MiniGrid-KeyCorridorS3R3-v0 \
--num_actors 10 --modify --total_frames 100000000 \
--savedir ./experimentMinigrid --model novelty_based
"""
TESTING = r"""
OMP_NUM_THREADS=1 python -m main.main --env trained_amigo_environment  \
--mode test --weight_path path_to_saved_weights --record_video --video_path path_to_video.mp4
"""
"""The README's four lines as they are printed there."""
EVERY_NUMBER = {
    "num_actors": 4, "total_frames": 80, "batch_size": 2, "unroll_length": 10, "state_embedding_dim": 16,
    "num_lstm_layers": 2, "env_seed": 3, "generator_batch_size": 4, "generator_counts": 2, "generator_maximum": 50,
    "entropy_cost": 0.001, "generator_entropy_cost": 0.04, "baseline_cost": 0.4, "discounting": 0.98,
    "learning_rate": 0.002, "generator_learning_rate": 0.003, "alpha": 0.98, "momentum": 0.1, "epsilon": 0.02,
    "generator_reward_negative": -0.2, "generator_threshold": -0.1, "generator_reward_coef": 0.5,
    "intrinsic_reward_coef": 0.7, "generator_target": 6.0, "target_variance": 10.0, "novelty_bonus": 0.2,
}  # fmt: skip
EVERY_SWITCH = ("use_lstm", "fix_seed", "no_extrinsic_rewards", "modify", "restart_episode", "no_boundary_awareness",
                "novelty")  # fmt: skip
EVERY_WORD = {"reward_clipping": "soft_asymmetric", "generator_loss_form": "gaussian"}
WITHOUT_A_FIELD = ("--disable_checkpoint --disable_cuda --num_buffers 8 --num_threads 2 --save_every 5 --initials me "
                   "--num_input_frames 1 --goal_dim 10 --mode train")  # fmt: skip


def flags_of(printed: str) -> list[str]:
    """What follows the name of the original's program."""
    words = shlex.split(printed.replace("\\\n", " "))
    assert words[:4] == ["OMP_NUM_THREADS=1", "python", "-m", "main.main"]
    return words[4:]


def test_every_flag_of_the_original_is_tried_here():
    lines = [*map(flags_of, (TRAINING, ADAPTIVE, NOVELTY, TESTING)), WITHOUT_A_FIELD.split()]
    printed = {word for line in lines for word in line if word.startswith("--")}
    fields = {f"--{name}" for name in (*EVERY_NUMBER, *EVERY_SWITCH, *EVERY_WORD, *REFUSED, "xpid", "seed")}
    assert printed | fields | {"--help"} == set(make_parser().names)


@pytest.mark.parametrize("printed", [TRAINING, ADAPTIVE, NOVELTY])
def test_a_line_of_the_readme_trains_and_its_weights_are_tested(
    printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    flags = flags_of(printed)
    short = [*flags, "--total_frames", "2000"]  # the last one counts
    assert main(PAPER, [*translate(short), "--evaluation-episodes", "2", "--evaluation-every", "0"]) == 0
    (weights,) = (tmp_path / "experimentMinigrid").glob("*/model.tar")
    alone = tmp_path / "path_to_saved_weights"
    alone.write_bytes(weights.read_bytes())
    capsys.readouterr()
    test = [word.replace("trained_amigo_environment", "MiniGrid-KeyCorridorS3R3-v0") for word in flags_of(TESTING)]
    words = translate([*test, *flags[flags.index("--model") :][:2]])
    assert main(PAPER, [*words, "--episodes", "2"]) == 0
    assert (tmp_path / "path_to_video.mp4").stat().st_size > 2_000
    said = capsys.readouterr().out
    assert all(name in said for name in ("eval/return", "eval/success", "eval/length"))


def test_the_readmes_test_line_of_a_run_prints_its_test_at_the_end_of_training(tmp_path: Path):
    line = f"--env MiniGrid-Empty-5x5-v0 --num_actors 8 --total_frames 800 --savedir {tmp_path} --xpid mine --seed 4"
    found = [
        subprocess.run([sys.executable, "-m", "amigo", *words.split()], capture_output=True, text=True, timeout=170)
        for words in (line, f"--mode test --env MiniGrid-Empty-5x5-v0 --weight_path {tmp_path}/mine/model.tar")
    ]
    assert [one.returncode for one in found] == [0, 0], found
    with (tmp_path / "mine/metrics.csv").open(newline="") as stream:
        told = {row["name"]: float(row["value"]) for row in csv.DictReader(stream)}
    assert f"{told['eval/return']:.6g}" in found[1].stdout


def test_every_flag_reaches_the_run(tmp_path: Path):
    switches = " ".join(f"--{name}" for name in EVERY_SWITCH)
    values = " ".join(f"--{name} {value}" for name, value in (EVERY_NUMBER | EVERY_WORD).items())
    line = f"--env MiniGrid-Empty-5x5-v0 --savedir {tmp_path} --xpid all --seed 1 {WITHOUT_A_FIELD} {switches} {values}"
    assert main(PAPER, [*translate(line.split()), "--evaluation-episodes", "2"]) == 0
    told = json.loads((tmp_path / "all/meta.json").read_text())["args"]
    given = EVERY_NUMBER | EVERY_WORD | dict.fromkeys(EVERY_SWITCH, True)
    expected = {"seed": 1, "env": "MiniGrid-Empty-5x5-v0"} | given
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("default", "amigo"),
        ("window_adaptive", "amigo_adaptive"),
        ("window_addaptive", "amigo_adaptive"),
        ("novelty_based", "amigo_novelty"),
    ],
)
def test_the_readmes_line_is_the_recipe_with_its_own_threshold(model: str, method: str):
    words = translate([*flags_of(TRAINING), "--model", model])
    assert words[:7] == ["train", "--task", "KeyCorridorS3R3", "--method", method, "--seed", "0"]
    assert words[words.index("--run-dir") + 1].startswith("experimentMinigrid/MiniGrid-KeyCorridorS3R3-v0")
    options = words[words.index("--device") + 2 :]
    given = dict(zip(options[::2], options[1::2], strict=True))
    length = {"--total-env-steps": "100000000", "--evaluation-every": "10000000", "--log-every": "50000"}
    actors = {"--num-actors": "40"} if method == "amigo_novelty" else {}
    assert given == {"--generator-threshold": "-0.1"} | length | actors


def test_the_readmes_window_and_actors_are_understood():
    adaptive = translate([*flags_of(ADAPTIVE), "--window", "60"])
    assert adaptive[adaptive.index("--window") + 1] == "60.0"
    novelty = translate(flags_of(NOVELTY))
    assert "--num-actors" not in novelty
    assert novelty[novelty.index("--generator-reward-negative") + 1] == "-0.1"


def test_the_originals_defaults_are_its_own():
    words = translate([])
    assert words[:5] == ["train", "--task", "Empty-8x8", "--method", "amigo"]
    assert words[words.index("--total-env-steps") + 1] == "600000000"
    assert "--no-modify" in words
    assert words[words.index("--generator-batch-size") + 1] == "32"
    assert words[words.index("--generator-reward-negative") + 1] == "-0.1"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--env MiniGrid-KeyCoridorS3R3-v0", "did you mean KeyCorridorS3R3"),
        ("--model rnd", "no model 'rnd'"),
        ("--mode play", "no mode 'play'"),
        ("--inner", "--inner breaks both released codes"),
        ("--no_generator", "method impala"),
        ("--random_agent", "--random_agent does nothing"),
        ("--disable_use_embedding", "--disable_use_embedding does nothing"),
        ("--save_env", "--save_env does nothing"),
        ("--num_input_frames 4", "--num_input_frames must be 1, got 4"),
        ("--goal_dim 20", "--goal_dim must be 10, got 20"),
        ("--num_actors 4 --num_buffers 4", "--num-buffers must be at least 5, got 4"),
        ("--num_actors four", "--num_actors: invalid int value: 'four'"),
        ("--total_frames 0", "--total-frames must be at least 800, the frames of one update, got 0"),
        ("--total_frames 39 --batch_size 2 --unroll_length 20", "--total-frames must be at least 40"),
        ("--window 20", "--window has no effect with --model default"),
        ("--window 0", "--window has no effect with --model default"),
        ("--novelty_coef 0", "--novelty_coef does nothing"),
        ("--nonsense", "--nonsense"),
        ("--mode test --weight_path nowhere/model.tar", "nowhere/model.tar does not exist"),
    ],
)
def test_original_flags_that_cannot_be_honoured_get_one_line(line: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        translate(line.split())
    assert "\n" not in str(caught.value)
