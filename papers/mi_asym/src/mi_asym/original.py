"""The original's three command lines, main_collect_data, main_pretrain_representations and main, as ours (card 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from mi_asym.config import MEMORYLESS, configure
from mi_asym.config.fields import EPISODE, OursFields
from mi_asym.envs import GRID_TASKS, TASKS
from mirl.commands.options import Flags, natural_number
from mirl.config import ConfigError, choose, option_of

SCRIPTS = (
    "main_collect_data.py",
    "main_pretrain_representations.py",
    "main_pretrain_representations_cv_mim.py",
    "main.py",
)
METHODS = {
    "dqn_default": ("drqn", "dtqn"), "sac_default": ("drqn", "dtqn"), "sac_robot_default": ("drqn", "dtqn"),
    "dqn_zp_default": ("zp_gru", "zp_gpt"), "sac_zp_robot_default": ("zp_gru", "zp_gpt"),
    "dqn_ours_default": ("ours_gru", "ours_gpt"), "sac_ours_robot_default": ("ours_gru", "ours_gpt"),
    "dqn_ba_default": ("ba", "ba"), "sac_ba_robot_default": ("ba", "ba"),
    "dqn_ua_default": ("ua", "ua"), "sac_ua_robot_default": ("ua", "ua"),
    "dqn_believer_default": ("believer_gpt", "believer_gpt"),
    "sac_believer_robot_default": ("believer_gpt", "believer_gpt"),
    "dqn_believer_rnn_default": ("believer_gru", "believer_gru"),
    "sac_believer_rnn_robot_default": ("believer_gru", "believer_gru"),
    "dqn_zero_on_default": ("zero_on", "zero_on"), "sac_zero_on_default": ("zero_on", "zero_on"),
    "dqn_zero_off_default": ("zero_off", "zero_off"), "sac_zero_off_default": ("zero_off", "zero_off"),
    "sac_embed_default": ("mdp", "mdp"), "sac_embed_robot_default": ("mdp", "mdp"),
}  # fmt: skip
"""RL config -> method with a GRU, with a transformer (card 2.2)."""
SEQUENCES = {
    "heaven_hell": ("gru_default", "gpt_default", "mlp_default", "mlp_rebuttal_default"),
    "grid": (
        "gru_cnn_default", "gpt_cnn_default", "gpt_cnn_zp_default", "mlp_cnn_default", "mlp_cnn_rebuttal_default",
    ),
    "robot": ("gru_robot_cnn_default", "gpt_robot_cnn_default", "gpt_robot_cnn_zp_default", "mlp_robot_cnn_default"),
}  # fmt: skip
"""Sequence configs by what a task shows: a vector, a grid's image, a robot's (card 2.5)."""
WIDTHS = {
    "gpt_cnn_default": 100, "gpt_cnn_zp_default": 112, "gpt_robot_cnn_default": 64, "gpt_robot_cnn_zp_default": 112,
}  # fmt: skip
"""Sequence config -> width of the observation's embedding, where two differ in it alone (card 2.5)."""
WITHOUT_EFFECT = ("config_repr", "config_recon", "group", "env_name", "checkpoint_name", "checkpoint_dir", "time_limit")
"""Flags that are accepted and change nothing here: runs continue by themselves, and stage 2 knows its own config."""


def translate(words: Sequence[str]) -> list[str]:
    """The original's words, with or without the script's name -> ours, subcommand first; raises ConfigError."""
    script = ""
    if not words[0].startswith("-"):
        script, words = name_of(words[0]), words[1:]
    given = {word.partition("=")[0] for word in words}
    if script == "main" or (not script and "--config_rl" in given):
        return translate_training(words)
    if "pretrain" in script or (not script and "--data_path" in given):
        return translate_pretraining(words)
    return translate_collection(words)


def parser_with_environment() -> Flags:
    parser = Flags("python -m mi_asym")
    parser.add_argument("--config_env", required=True)
    return parser


def translate_collection(words: Sequence[str]) -> list[str]:
    """main_collect_data's flags; as released it fails on grids unless all episodes are random (ledger 15)."""
    parser = parser_with_environment()
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--episodes", type=int, default=3000)
    parser.add_argument("--random_episodes", type=int, default=0)
    parser.add_argument("--aug", action="store_true")
    parser.add_argument("--n_aug", type=int, default=1)
    options = parser.parse_args(words)
    task = task_of(options.config_env)
    random = [] if task in GRID_TASKS and options.random_episodes == 0 else [str(options.random_episodes)]
    return [
        "collect", "--task", task, "--seed", str(options.seed), "--episodes", str(options.episodes),
        *(["--random-episodes", *random] if random else []),
        *(["--n-aug", str(options.n_aug)] if options.aug else []),
    ]  # fmt: skip


def translate_pretraining(words: Sequence[str]) -> list[str]:
    """main_pretrain_representations' flags."""
    parser = parser_with_environment()
    parser.add_argument("--config_repr", required=True)
    parser.add_argument("--data_path", required=True)
    parser.add_argument("--num_epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cuda", type=int, default=0)
    parser.add_argument("--log_freq", type=int, default=50)
    parser.add_argument("--wandb", action="store_true")
    parser.add_argument("--wandb_name")
    parser.add_argument("--init_model")
    options = parser.parse_args(words)
    task = task_of(options.config_env)
    if name_of(options.config_repr) != task:
        raise ConfigError(
            f"--config_repr must be configs/repr/{task}.py with this environment, got {options.config_repr}"
        )
    return [
        "pretrain", "--task", task, "--data", options.data_path, "--pretrain-epochs", str(options.num_epochs),
        "--pretrain-seed", str(options.seed), "--log-freq", str(options.log_freq),
        "--device", "cpu" if options.cuda < 0 else "auto",
        *(["--wandb"] if options.wandb else []),
        *(["--wandb-name", options.wandb_name] if options.wandb_name else []),
        *(["--init-model", options.init_model] if options.init_model else []),
    ]  # fmt: skip


def translate_training(words: Sequence[str]) -> list[str]:
    """main's flags; --policy_dir judges a trained run, or a released policy, instead."""
    options = training_parser().parse_args(words)
    if options.policy_dir and Path(options.policy_dir).is_dir():
        return ["evaluate", "--run-dir", options.policy_dir]
    if options.freeze_critic:
        raise ConfigError("--freeze_critic has no method that uses it; leave it out")
    task = task_of(options.config_env)
    rl = choose("config_rl", name_of(options.config_rl), METHODS)
    sequence = sequence_of(options.config_seq, task, rl)
    method = method_of(rl, sequence)
    if options.policy_dir:
        names = ["--task", task, "--method", method, "--seed", str(options.seed)]
        return ["replay", *names, "--policy", options.policy_dir]
    config = configure(task, method, "faithful")
    values = {
        "updates_per_step": options.updates_per_step, "batch_size": options.batch_size,
        "start_training": options.start_training, "critic_lr": options.critic_lr,
        "total_env_steps": EPISODE * (options.start_training + options.train_episodes),
        "sampled_seq_len": options.sampled_seq_len, "replay_buffer_size": options.replay_buffer_size or None,
    }  # fmt: skip
    if isinstance(config, OursFields) or method.startswith("believer"):
        values["aux_batch_size"] = options.aux_batch_size
    if task not in GRID_TASKS:
        values |= {"start_expert_training": options.start_expert_training, "actor_lr": options.actor_lr}
    if method in ("ba", "ua") and sequence.startswith("gru"):
        values["memory"] = "gru"
    if sequence in WIDTHS and method not in MEMORYLESS:
        values["observation_width"] = WIDTHS[sequence]
    files = {"state_embedder": options.state_embedder_dir, "obs_embedder": options.obs_embedder_dir}
    if "state_embedder" in vars(config):
        values |= files
    overrides = [word for name, value in values.items() if value is not None for word in (option_of(name), str(value))]
    name = options.run_name or f"{task}_{method}_s{options.seed}"
    return [
        "train", "--task", task, "--method", method, "--seed", str(options.seed), "--fidelity", "faithful",
        "--run-dir", str(Path(options.save_dir) / name), "--device", "cpu" if options.cuda < 0 else "auto", *overrides,
    ]  # fmt: skip


def training_parser() -> Flags:
    """main's flags with its defaults."""
    parser = parser_with_environment()
    parser.add_argument("--config_rl", required=True)
    parser.add_argument("--config_seq")
    parser.add_argument("--seed", type=natural_number, default=42)
    for flag, default in (("batch_size", 64), ("aux_batch_size", 64), ("train_episodes", 1000), ("start_training", 10),
                          ("start_expert_training", 0), ("replay_buffer_size", 0), ("cuda", 0)):  # fmt: skip
        parser.add_argument(f"--{flag}", type=int, default=default)
    parser.add_argument("--sampled_seq_len", type=int)
    parser.add_argument("--updates_per_step", type=float, default=0.25)
    for flag in ("critic_lr", "actor_lr"):
        parser.add_argument(f"--{flag}", type=float)
    for flag in ("freeze_critic", "debug", "save_csv"):  # a run directory always has both log and csv
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--save_dir", default="logs")
    for flag in ("run_name", "policy_dir", "state_embedder_dir", "obs_embedder_dir", *WITHOUT_EFFECT):
        parser.add_argument(f"--{flag}")
    return parser


def name_of(path: str) -> str:
    """`configs/envs/heaven_hell.py` -> `heaven_hell`."""
    return PurePath(path).name.removesuffix(".py")


def task_of(path: str) -> str:
    """The task that a --config_env file is for."""
    return choose("config_env", name_of(path), TASKS)


def sequence_of(path: str | None, task: str, rl: str) -> str:
    """The sequence config that a --config_seq file is; as released the default has a GRU on vectors."""
    known = SEQUENCES["heaven_hell" if task == "heaven_hell" else "grid" if task in GRID_TASKS else "robot"]
    if path is None:
        if METHODS[rl][0] in MEMORYLESS:
            return next(name for name in known if name.startswith("mlp"))
        if task != "heaven_hell":
            raise ConfigError(f"--config_seq is needed on {task}, whose observations are images ({', '.join(known)})")
        return "gru_default"
    return choose("config_seq", name_of(path), known, f" on {task}")


def method_of(rl: str, sequence: str) -> str:
    """The method that an RL config and a sequence config make together; raises ConfigError where they make none."""
    method = METHODS[rl][1 if sequence.startswith("gpt") else 0]
    rebuttal, without_memory = "rebuttal" in sequence, sequence.startswith("mlp")
    if rebuttal and method == "ours_gru":
        return "no_history"
    if rebuttal or without_memory != (method in MEMORYLESS):
        needed = "an mlp config without rebuttal" if method in MEMORYLESS else "a gru or gpt config"
        raise ConfigError(f"--config_seq must be {needed} with --config_rl {rl}, got {sequence}")
    return method
