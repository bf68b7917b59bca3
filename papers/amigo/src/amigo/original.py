"""The original's command line, main.py's, as ours (card 2.2)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amigo.config import ONE_UPDATE, configure, least_frames, lengths
from amigo.envs import find_task
from amigo.weights import MODELS, read_weights, require_file
from mirl.commands.options import Flags
from mirl.config import ConfigError, as_dictionary, choose, option_of, require
from mirl.folder import read_record

MODES = ("train", "test", "test_render")
REFUSED = {
    "inner": "breaks both released codes (their tensors do not fit)",
    "no_generator": "breaks the released code; the student without a teacher is method impala",
    "random_agent": "does nothing in the released code",
    "novelty_coef": "does nothing in the released code",
    "disable_use_embedding": "does nothing in the fork",
    "save_env": "does nothing in the fork",
}
NUMBERS: dict[str, type[int] | type[float]] = {
    "total_frames": int, "num_actors": int, "batch_size": int, "unroll_length": int, "state_embedding_dim": int,
    "num_lstm_layers": int, "env_seed": int, "generator_batch_size": int, "generator_counts": int,
    "generator_maximum": int, "entropy_cost": float, "generator_entropy_cost": float, "baseline_cost": float,
    "discounting": float, "learning_rate": float, "generator_learning_rate": float, "alpha": float, "momentum": float,
    "epsilon": float, "generator_reward_negative": float, "generator_threshold": float,
    "generator_reward_coef": float, "intrinsic_reward_coef": float, "generator_target": float,
    "target_variance": float, "novelty_bonus": float, "window": float,
}  # fmt: skip
SWITCHES = ("use_lstm", "fix_seed", "no_extrinsic_rewards", "modify", "restart_episode", "no_boundary_awareness",
            "novelty")  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "num_actors": 4, "total_frames": 600_000_000, "generator_batch_size": 32, "generator_reward_negative": -0.1,
    "generator_threshold": -0.5, "modify": False,
}  # fmt: skip
"""Where the command line's defaults are not the recipes' (card 2.1, 2.2)."""
FIXED_SIZES = {"num_input_frames": 1, "goal_dim": 10}
"""Flags whose other values the released codes do not survive or do not read."""


def translate(words: Sequence[str]) -> list[str]:
    """The original's flags -> `train ...` or, with any --mode but train, `evaluate ...`; raises ConfigError."""
    options = make_parser().parse_args(words)
    for flag, reason in REFUSED.items():
        if is_given(getattr(options, flag)):
            raise ConfigError(f"--{flag} {reason}")
    for flag, only in FIXED_SIZES.items():
        if getattr(options, flag) != only:
            raise ConfigError(f"--{flag} must be {only}, got {getattr(options, flag)}: others break the released code")
    choose("mode", options.mode, MODES)
    options.method = MODELS[choose("model", options.model, MODELS)]
    options.task = find_task(options.env).name
    return training(options) if options.mode == "train" else testing(options)


def make_parser() -> Flags:
    parser = Flags("python -m amigo", "The original's main.py")
    parser.add_argument("--env", default="MiniGrid-Empty-8x8-v0")
    parser.add_argument("--mode", default="train")
    parser.add_argument("--model", default="default")
    parser.add_argument("--xpid")
    parser.add_argument("--initials", default="anonymous")
    parser.add_argument("--savedir", type=Path, default=Path("./experimentsMinigrid"))
    parser.add_argument("--seed", type=int, default=0)  # not the original's, which seeds nothing
    for name, kind in NUMBERS.items():
        parser.add_argument(f"--{name}", type=kind)
    for name in (*SWITCHES, "disable_checkpoint", "disable_cuda", "record_video", "inner", "no_generator",
                 "random_agent", "disable_use_embedding", "save_env"):  # fmt: skip
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--reward_clipping")
    parser.add_argument("--generator_loss_form")
    parser.add_argument("--novelty_coef", type=float)
    parser.add_argument("--num_buffers", type=int)
    # One process updates, whatever its number of threads was; pickles of save_env are not written.
    parser.add_argument("--num_threads", type=int)
    parser.add_argument("--save_every", type=int)
    for name, only in FIXED_SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=only)
    parser.add_argument("--weight_path", type=Path, default=Path("model.tar"))
    parser.add_argument("--video_path", type=Path, default=Path("minigrid_video.mp4"))
    return parser


def training(options: argparse.Namespace) -> list[str]:
    """A `train` command; what differs from the method's own defaults becomes an option."""
    paper = configure(options.task, options.method, "paper")
    frames = DEFAULTS["total_frames"] if options.total_frames is None else options.total_frames
    wanted = as_dictionary(paper) | lengths(frames)
    for name in (*NUMBERS, *SWITCHES, "reward_clipping", "generator_loss_form"):
        given = getattr(options, name)
        value = given if is_given(given) else DEFAULTS.get(name)
        if name == "total_frames" or value is None:
            continue
        if name in wanted:
            wanted[name] = value
        elif is_given(given):
            raise ConfigError(f"--{name} has no effect with --model {options.model}")
    if options.num_buffers is not None:
        least = wanted["num_actors"] + 1
        require(options.num_buffers >= least, "num_buffers", options.num_buffers, f"at least {least}")
    least = least_frames(wanted["batch_size"], wanted["unroll_length"], wanted["overlap"])
    require(frames >= least, "total_frames", frames, ONE_UPDATE.format(least))
    standard = as_dictionary(paper)
    overrides = [word for name, value in wanted.items() if value != standard[name] for word in as_option(name, value)]
    name = options.xpid or f"MiniGrid-{options.task}-v0_{options.initials}_{options.method}_seed{options.seed}"
    saving = ["--save-every", str(frames)] if options.disable_checkpoint else []
    return [
        "train", "--task", options.task, "--method", options.method, "--seed", str(options.seed),
        "--run-dir", str(options.savedir / name), "--device", "cpu" if options.disable_cuda else "auto",
        *saving, *overrides,
    ]  # fmt: skip


def is_given(value: Any) -> bool:
    """Whether a flag stands on the command line; 0 does, a switch that is off does not."""
    return value is not None and value is not False


def testing(options: argparse.Namespace) -> list[str]:
    """An `evaluate` command for the run that a model.tar belongs to, or `weights` for one that lies alone."""
    path = options.weight_path
    require_file(path)
    record = read_record(path.parent) if path.name == "model.tar" else None
    if record is not None:
        task, methods = record["config"]["task"], [record["config"]["method"]]
        words = ["evaluate", "--run-dir", str(path.parent)]
    else:
        weights = read_weights(path)
        task, methods = weights.task, list(weights.methods)
        words = ["weights", "--weight-path", str(path)]
    if options.task != task:
        raise ConfigError(f"--env asks for {options.task}, the weights in {path} are of {task}")
    if options.method not in methods:
        raise ConfigError(f"--model asks for {options.method}, the weights in {path} are of {' or '.join(methods)}")
    return [*words, *(["--video", str(options.video_path)] if options.record_video else [])]


def as_option(name: str, value: Any) -> list[str]:
    """A field's value as command-line words."""
    if isinstance(value, bool):
        return [option_of(name) if value else "--no-" + option_of(name)[2:]]
    return [option_of(name), str(value)]
