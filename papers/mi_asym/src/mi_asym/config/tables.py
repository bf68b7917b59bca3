"""The paper's values, task by task and method by method, and what each fidelity changes (card 2.3, 2.5, 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mi_asym.config import methods
from mi_asym.config.fields import EPISODE, TrainConfig
from mi_asym.config.stages import CollectConfig, PretrainConfig
from mi_asym.envs import GRID_TASKS, ROBOT_TASKS
from mirl.config import ConfigError

FIDELITIES = ("paper", "faithful", "fixed")
"""`paper`: as the paper describes it; `faithful`: as the released code runs; `fixed`: its faults mended."""
Values = dict[str, Any]

GRID_CONFIGS: dict[str, type[TrainConfig]] = {
    "ours_gru": methods.OursDqnConfig, "ours_gpt": methods.OursDqnConfig,
    "drqn": methods.MemoryDqnConfig, "dtqn": methods.MemoryDqnConfig,
    "zp_gru": methods.ZpDqnConfig, "zp_gpt": methods.ZpDqnConfig,
    "ba": methods.AsymmetricDqnConfig, "ua": methods.AsymmetricDqnConfig,
    "believer_gru": methods.BelieverDqnConfig, "believer_gpt": methods.BelieverDqnConfig,
    "zero_on": methods.ZeroDqnConfig, "zero_off": methods.ZeroDqnConfig,
    "no_history": methods.OursDqnConfig, "mdp": methods.MdpDqnConfig,
}  # fmt: skip
ROBOT_CONFIGS: dict[str, type[TrainConfig]] = {
    "ours_gru": methods.OursSacConfig, "ours_gpt": methods.OursSacConfig,
    "drqn": methods.MemorySacConfig, "dtqn": methods.MemorySacConfig,
    "zp_gru": methods.ZpSacConfig, "zp_gpt": methods.ZpSacConfig,
    "ba": methods.AsymmetricSacConfig, "ua": methods.AsymmetricSacConfig,
    "believer_gru": methods.BelieverSacConfig, "believer_gpt": methods.BelieverSacConfig,
    "zero_on": methods.ZeroSacConfig, "zero_off": methods.ZeroSacConfig, "mdp": methods.MdpSacConfig,
}  # fmt: skip
METHODS = tuple(GRID_CONFIGS)
MEMORYLESS = ("zero_on", "zero_off", "mdp")

TRAIN_EPISODES = {"heaven_hell": 10_000, "sphinx": 10_000, "carflag_2d": 20_000} | dict.fromkeys(ROBOT_TASKS, 800)
"""Card 2.3."""
REPRESENTATIONS: dict[str, Values] = {
    "heaven_hell": {"encoder_lr": 3e-3, "estimator_lr": 3e-4, "observation_dynamics_weight": 0.5},
    "sphinx": {
        "state_dynamics_weight": 0.5, "observation_dynamics_weight": 0.03, "disentangling_weight": 0.3,
        "observation_information_weight": 0.5, "dynamics_width": 256,
    },
    "carflag_2d": {
        "reward_loss_weight": 1.0, "observation_dynamics_weight": 5.0, "disentangling_weight": 10.0,
        "dynamics_width": 256,
    },
    "block_pulling": {
        "state_dynamics_weight": 0.1, "disentangling_weight": 10.0, "state_information_weight": 0.1,
        "dynamics_width": 512,
    },
    "block_pushing": {
        "reward_loss_weight": 100.0, "disentangling_weight": 1e-3, "state_information_weight": 0.01,
        "dynamics_width": 1024,
    },
    "drawer_opening": {
        "reward_loss_weight": 100.0, "state_information_weight": 0.001, "dynamics_width": 512,
    },
}  # fmt: skip
"""Card 2.5, repr: what differs from the defaults of PretrainConfig."""
COLLECTIONS: dict[str, Values] = {
    "robot": {"collect_episodes": 500, "collect_random_episodes": 250, "collect_augmentations": 4},
    "grid": {"collect_episodes": 3000, "collect_random_episodes": 3000},
}
"""The robots' numbers were not published: our choice."""
FAITHFUL: Values = {
    "loss_weight": 0.0,
    "share_passes": False,
    "history_target": "state_values",
    "belief_layout": "mixed",
    "train_belief_policy": False,
}
FIXED: Values = {
    "start": "uniform", "time_out_ends": False, "pretrain_action": "one_hot", "features_action": "one_hot",
}  # fmt: skip
"""Fields that a fidelity sets otherwise than `paper`, where a method has them; the auxiliary loss was on on robots."""

LEAST_EPISODES = 1000
"""That fit into the replay buffer, however small it was asked for (card 5.8)."""
CAPS: dict[str, dict[str, Values]] = {
    "no": {"grid": {}, "robot": {}},
    "workstation": {
        "grid": {
            "collect_episodes": 500, "collect_random_episodes": 500, "pretrain_epochs": 100, "features_epochs": 60,
        },
        "robot": {
            "collect_episodes": 100, "collect_random_episodes": 50, "pretrain_epochs": 40, "features_epochs": 20,
            "start_expert_training": 20, "aux_batch_size": 32,
        },
    },
    "tiny": {
        "grid": {
            "collect_episodes": 30, "collect_random_episodes": 30, "pretrain_epochs": 2, "pretrain_batch_size": 100,
            "features_epochs": 1, "aux_batch_size": 8,
        },
        "robot": {
            "collect_episodes": 3, "collect_random_episodes": 1, "collect_augmentations": 1, "pretrain_epochs": 1,
            "pretrain_batch_size": 32, "features_epochs": 1, "features_batch_size": 32, "aux_batch_size": 2,
            "start_expert_training": 1,
        },
    },
}  # fmt: skip
"""smaller_stages -> family -> the most that a field may be."""


def effective(task: str, config: Any) -> Any:
    """The config that runs, as manifests hold it: `smaller_stages` applied to the fields that the method has, and a
    replay buffer with room for 1,000 episodes."""
    caps = CAPS[config.smaller_stages]["grid" if task in GRID_TASKS else "robot"]
    lower = {name: cap for name, cap in caps.items() if getattr(config, name, 0) > cap}
    slots = max(config.replay_buffer_size, LEAST_EPISODES * EPISODE)
    return replace(config, replay_buffer_size=slots, **lower)


def configure(task: str, method: str, fidelity: str) -> TrainConfig:
    """The paper's values for a task and method, with every default resolved; raises ConfigError."""
    configs = GRID_CONFIGS if task in GRID_TASKS else ROBOT_CONFIGS
    if method not in configs:
        raise ConfigError(f"no method {method!r} on {task}: the paper has it on grids only ({', '.join(GRID_TASKS)})")
    kind = configs[method]
    values = family_values(task, method) | memory_values(task, method) | method_values(task, method)
    values |= COLLECTIONS["grid" if task in GRID_TASKS else "robot"] | REPRESENTATIONS[task]
    values |= fidelity_values(task, fidelity)
    known = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
    return kind(**known)


def family_values(task: str, method: str) -> Values:
    """Budgets and step sizes of a task's family."""
    start = 10
    total = 50 * (start + TRAIN_EPISODES[task])
    memoryless = method in MEMORYLESS
    if task in GRID_TASKS:
        values: Values = {"total_env_steps": total, "start_training": start}
        if memoryless:
            values |= {"updates_per_step": 1.0, "batch_size": 256}
        elif task == "sphinx":
            values["critic_lr"] = 3e-5
        return values
    slow = method in ("ours_gru", "ours_gpt", "ua", "believer_gru", "believer_gpt")
    rate = 3e-4 if slow else 1e-3
    return {
        "total_env_steps": total, "start_training": start, "updates_per_step": 1.0,
        "batch_size": 64 if memoryless else 32, "replay_buffer_size": 100_000,
        "critic_lr": rate, "actor_lr": rate, "temperature_lr": 3e-4 if method.startswith("believer") else 1e-3,
    }  # fmt: skip


def memory_values(task: str, method: str) -> Values:
    """Memory and widths of the embedders (card 2.5, seq)."""
    if method in MEMORYLESS:
        return {"observation_width": 32 if task == "heaven_hell" else 100 if task in GRID_TASKS else 64}
    gpt = method.endswith("_gpt") or method in ("dtqn", "ba", "ua")
    kind = "gpt" if gpt else "mlp" if method == "no_history" else "gru"
    if task == "heaven_hell":
        return {"memory": kind}
    observation = 112 if method == "zp_gpt" else 100 if task in GRID_TASKS else 64
    return {"memory": kind, "observation_width": observation, "action_width": 16, "state_width": observation}


def method_values(task: str, method: str) -> Values:
    """What stands in one method's row of card 2.5 alone."""
    if method == "zero_on":
        return {"zero_observation": True}
    if task in ROBOT_TASKS and method.startswith("ours"):
        return {"reward_weight": 0.1, "loss_weight": 0.5, "aux_batch_size": 64}
    return {"zp_loss_weight": 0.1} if task in ROBOT_TASKS else {}


def fidelity_values(task: str, fidelity: str) -> Values:
    """What a fidelity changes on a task."""
    if fidelity == "faithful":
        return {name: value for name, value in FAITHFUL.items() if name != "loss_weight" or task in GRID_TASKS}
    if fidelity == "fixed":
        return {name: value for name, value in FIXED.items() if name != "start" or task == "carflag_2d"}
    return {}


def collect_config(task: str) -> CollectConfig:
    """The values of stage 1 alone."""
    return CollectConfig(**COLLECTIONS["grid" if task in GRID_TASKS else "robot"])


def pretrain_config(task: str) -> PretrainConfig:
    """The values of stage 2 alone."""
    return PretrainConfig(**REPRESENTATIONS[task])
