"""The original's command line as ours (card 2.1)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mirl.commands.options import Flags
from mirl.config import ConfigError, as_dictionary, choose, option_of
from sami.config import TesacConfig, read_tuples
from sami.fidelity import configure
from sami.settings import TASKS

ALIASES = {"sasac": "satesac"}
"""The released code's spelling of a method -> the paper's."""
METHODS = {
    "TESAC": "tesac", "CCM": "ccm", "SaSAC": "satesac", "SaTESAC": "satesac", "SaCCM": "saccm", "SaCCMAll": "saccm",
}  # fmt: skip
UNREACHABLE = {
    "SAC": "plain SAC, which the original's own factory does not know",
    "SaCCM2": "what the original never built",
}
NO_TUPLES = "[]"
"""The parser's default of --test_envs."""
OTHER_NAMES = {"pandapush": "panda", "walkerhopper": "crippled_walker"}
"""Classes of the release whose names are not a task's; WalkerHopper is Table 2's CrippledWalker (card 4.2)."""
CLASSES = (
    "PandaPush-v3", "AntEnv", "CrippleAntEnv", "HalfCheetahEnv", "CrippleHalfCheetahEnv", "HopperEnv",
    "CrippleHopperEnv", "WalkerEnv", "CrippleWalkerEnv", "WalkerHopperEnv", "SlimHumanoidEnv", "HumanoidStandupEnv",
)  # fmt: skip
"""What --env_name names in the release."""
PANDA_TRAIN_ENVS = "[(0,1),(0,30),(1,1),(1,5),(1,30),(10,1),(10,5),(30,1)]"
FIELDS: dict[str, tuple[str, type, Any]] = {
    "adversarial_loss_coef": ("adversarial_loss_coef", float, 0.01),
    "batch_size": ("batch_size", int, 16),
    "contrast_batch_size": ("contrast_batch_size", int, 16),
    "contrast_training_interval": ("contrast_training_interval", int, 1),
    "causal_dim": ("context_size", int, 6),
    "causal_hidden_dim": ("context_hidden_size", int, 128),
    "buffer_size": ("buffer_size", int, 100),
    "learning_rate": ("learning_rate", float, 1e-3),
    "train_freq": ("train_freq", int, 128),
    "gradient_steps": ("gradient_steps", int, 16),
    "encoder_tau": ("encoder_tau", float, 0.05),
    "neg_radio": ("negative_share", float, 0.5),
    "test_eps_num_per_env": ("evaluation_episodes", int, 100),
}
"""The parser's flag -> our field, its type and the parser's default."""
IGNORED = ("contrast_buffer_type", "env_hook", "wandb_project_name", "wandb_team_name")
"""Overwritten by the method, implied by the environment, or names of accounts."""


def translate(words: Sequence[str]) -> list[str]:
    """The original's flags -> `train ...`, or `evaluate ...` where --config_path names a run; raises ConfigError."""
    options = make_parser().parse_args(words)
    options.test_envs = "" if options.test_envs.strip() == NO_TUPLES else options.test_envs
    if options.config_path and not options.use_continue_train:
        return translate_test(options)
    if options.use_continue_train and not options.config_path:
        raise ConfigError("--use_continue_train needs --config_path, the run directory whose networks to go on with")
    method = choose("method", options.method, [*METHODS, *UNREACHABLE])
    if method in UNREACHABLE:
        raise ConfigError(f"--method {method} is {UNREACHABLE[method]} (methods: {', '.join(METHODS)})")
    task = task_of(options.env_name)
    paper = configure(task, METHODS[method], "faithful")
    wanted = as_dictionary(wanted_config(paper, task, method, options))
    overrides = [
        word for name, value in wanted.items() if value != as_dictionary(paper)[name] for word in as_option(name, value)
    ]
    return [
        "train", "--task", task, "--method", METHODS[method], "--seed", str(options.seed),
        "--fidelity", "faithful",
        "--run-dir", run_directory(options.env_name, method), *(["--wandb"] if options.use_wandb else []), *overrides,
    ]  # fmt: skip


def make_parser() -> Flags:
    """The flags of card 2.1."""
    parser = Flags("python -m sami", "The original's command line")
    for flag, (_, kind, default) in FIELDS.items():
        parser.add_argument(f"--{flag}", type=kind, default=default)
    for flag in IGNORED:
        parser.add_argument(f"--{flag}")
    for flag in ("use_weighted_info_nce", "use_reward_norm", "use_continue_train", "save_video", "use_wandb"):
        parser.add_argument(f"--{flag}", action="store_true")
    for flag, default in (("method", "SaCCM"), ("env_name", "PandaPush-v3"), ("train_envs", ""), ("test_envs", ""),
                          ("config_path", "")):  # fmt: skip
        parser.add_argument(f"--{flag}", default=default)
    parser.add_argument("--time_step", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=100)
    return parser


def wanted_config(paper: TesacConfig, task: str, method: str, options: argparse.Namespace) -> TesacConfig:
    """The config that the flags mean; what the method does not have is left out, as it had no effect."""
    values = {field: getattr(options, flag) for flag, (field, _, _) in FIELDS.items()}
    values |= {"use_weighted_info_nce": options.use_weighted_info_nce, "save_video": options.save_video}
    if values["contrast_batch_size"] == values["batch_size"]:
        values["contrast_batch_size"] = 0  # as ours says it
    values |= {"contrast_selection": "all"} if method == "SaCCMAll" else {}
    train_envs = options.train_envs or (PANDA_TRAIN_ENVS if task == "panda" else "")
    slots = len(read_tuples(task, "train_envs", train_envs)) if train_envs else paper.slots
    values |= {
        "train_envs": train_envs, "test_envs": options.test_envs, "slots": slots,
        "total_env_steps": options.time_step * slots, "initial_run": options.config_path,
    }  # fmt: skip
    return replace(paper, **{name: value for name, value in values.items() if name in paper.__dataclass_fields__})


def translate_test(options: argparse.Namespace) -> list[str]:
    """--config_path reloads a run directory for testing; the newest checkpoint is tested."""
    words = ["evaluate", "--run-dir", options.config_path, "--episodes", str(options.test_eps_num_per_env)]
    if options.test_envs:
        words += ["--setting", "given", "--test-envs", options.test_envs]
    return words + (["--video", f"{options.config_path}/test.mp4"] if options.save_video else [])


def task_of(env_name: str) -> str:
    """The task that an environment's name means, by its class in the release (CrippleAntEnv) or by ours, whatever its
    version; raises ConfigError where there is none."""
    plain = re.sub(r"(-?v\d+)$", "", env_name.strip()).replace("_", "").replace("-", "").lower()
    plain = re.sub(r"^cripple(?!d)", "crippled", plain.removesuffix("env"))
    names = {task.replace("_", ""): task for task in TASKS} | OTHER_NAMES
    if plain not in names:
        raise ConfigError(f"--env_name must be one of {', '.join(CLASSES)}, or a task's name, got {env_name}")
    return names[plain]


def run_directory(env_name: str, method: str) -> str:
    """A folder of its own for each start, as the original's timestamped ones."""
    return f"runs/{env_name}_{method}_{datetime.now():%Y%m%d_%H%M%S}"


def as_option(name: str, value: Any) -> list[str]:
    """A field's value as command-line words."""
    if isinstance(value, bool):
        return [option_of(name) if value else "--no-" + option_of(name)[2:]]
    return [option_of(name), *([str(item) for item in value] if isinstance(value, list) else [str(value)])]
