"""PEARL's values: the launcher's defaults, and over them the JSON file of a task (card 5.9)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mirl.config import ConfigError, no_such, require

FOLDER = Path(__file__).parents[1] / "configs" / "pearl"
SETTINGS_FILES = {
    "wide_ring": "navigation-wide-ring-sparse.json",
    "hard_exploration": "navigation-hard-exploration-sparse.json",
    "close_ring": "navigation-close-ring-sparse.json",
    "pendulum": "pendulum.json",
    "pendulum_sparse": "pendulum-sparse.json",
}
"""The tasks that PEARL knows; the files are named as the original names them."""
ITERATIONS = 500
"""Of a run (card 5.9)."""
IGNORED = {"env_params"}
"""Accepted as released, where nothing came of them either."""
ALGORITHM_KEYS = {
    "latent_size", "net_size", "meta_batch", "num_initial_steps", "num_tasks_sample", "num_steps_prior",
    "num_steps_posterior", "num_extra_rl_steps_posterior", "num_train_steps_per_itr", "num_steps_per_eval",
    "num_exp_traj_eval", "batch_size", "embedding_batch_size", "max_path_length", "discount", "soft_target_tau",
    "policy_lr", "qf_lr", "vf_lr", "context_lr", "reward_scale", "kl_lambda", "use_next_obs_in_context",
}  # fmt: skip
"""Keys of `algo_params` that are fields of the config by the same name."""
OTHER_KEYS = {"num_evals", "embedding_mini_batch_size"}
ONLY = {"update_post_train": 1, "num_iterations": ITERATIONS}
"""Keys of `algo_params` with the one value that is known here; the length of a run is --total-env-steps."""


@dataclass(frozen=True)
class PearlConfig:
    """PEARL: soft actor-critic whose policy is told a latent variable, inferred from transitions of the task."""

    total_env_steps: int
    """Environment steps of training; by default those of 500 iterations (card 5.9)."""
    threads: int = 1
    """CPU threads of the tensor library."""
    n_train_tasks: int = 10
    """Training tasks, drawn once, before training."""
    n_eval_tasks: int = 8
    """Test tasks, which are fixed."""
    latent_size: int = 5
    """Numbers in the latent variable z."""
    net_size: int = 300
    """Units of each of the three hidden layers of the policy, both Q functions and V."""
    context_net_size: int = 200
    """Units of each of the three hidden layers of the context encoder."""
    meta_batch: int = 16
    """Training tasks per gradient step, drawn with replacement."""
    num_initial_steps: int = 2000
    """Environment steps per training task before the first iteration, with z from the prior."""
    num_tasks_sample: int = 5
    """Training tasks that an iteration collects data of, drawn with replacement."""
    num_steps_prior: int = 400
    """Environment steps per task with z from the prior; they are the task's context."""
    num_steps_posterior: int = 0
    """Environment steps per task, context as well: a trajectory with z from the prior, then from the posterior, renewed
    at each."""
    num_extra_rl_steps_posterior: int = 400
    """Environment steps per task that are no context, with z as above. Trajectories are always whole."""
    num_train_steps_per_itr: int = 2000
    """Gradient steps per iteration."""
    evaluation_batches: int = 2
    """Repetitions of the test on every task (num_evals)."""
    num_steps_per_eval: int = 600
    """Environment steps of a test, in whole trajectories. As released too few on navigation to leave the prior
    (ledger 15)."""
    num_exp_traj_eval: int = 1
    """Trajectories with z from the prior before a test turns to the posterior."""
    evaluation_seed: int = 1
    """Seed of the test trajectories."""
    batch_size: int = 256
    """Transitions per task and gradient step for the actor and the critics."""
    embedding_batch_size: int = 64
    """Context transitions per task and gradient step, and per inference while collecting."""
    max_path_length: int = 200
    """Environment steps per trajectory."""
    discount: float = 0.99
    """Per step, in (0, 1]."""
    soft_target_tau: float = 0.005
    """Share of V that its target takes over at each gradient step, in (0, 1]."""
    policy_lr: float = 3e-4
    """Adam's step size for the policy."""
    qf_lr: float = 3e-4
    """Adam's step size for both Q functions."""
    vf_lr: float = 3e-4
    """Adam's step size for V."""
    context_lr: float = 3e-4
    """Adam's step size for the context encoder."""
    reward_scale: float = 5.0
    """Factor on the rewards, against an entropy bonus of weight 1."""
    kl_lambda: float = 0.1
    """Weight of the encoder's divergence from the prior, summed over tasks and latent numbers, in nats."""
    use_next_obs_in_context: bool = False
    """Show the encoder the next observation beside observation, action and reward."""
    pendulum_tasks: Literal["released", "every"] = "released"
    """Pendulum alone. `released`: the sixth training pair is never drawn (ledger 8), and the four test tasks are one
    training pair (ledger 21). `every`: all six are drawn from, and each test pair is tested."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "n_train_tasks", "n_eval_tasks", "latent_size", "net_size",
                      "context_net_size", "meta_batch", "num_initial_steps", "num_tasks_sample", "num_steps_prior",
                      "num_train_steps_per_itr", "evaluation_batches", "num_steps_per_eval", "num_exp_traj_eval",
                      "batch_size", "embedding_batch_size", "max_path_length"):  # fmt: skip
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("num_steps_posterior", "num_extra_rl_steps_posterior", "evaluation_seed"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")
        for field in ("policy_lr", "qf_lr", "vf_lr", "context_lr", "reward_scale"):
            require(0 < getattr(self, field) < math.inf, field, getattr(self, field), "positive and finite")
        require(0 <= self.kl_lambda < math.inf, "kl_lambda", self.kl_lambda, "at least 0 and finite")
        for field in ("discount", "soft_target_tau"):
            require(0 < getattr(self, field) <= 1, field, getattr(self, field), "in (0, 1]")

    def trajectories(self, env_steps: int) -> int:
        """How many whole trajectories `env_steps` environment steps take."""
        return -(-env_steps // self.max_path_length)

    @property
    def env_steps_per_iteration(self) -> int:
        """Environment steps that one iteration collects."""
        parts = self.num_steps_prior, self.num_steps_posterior, self.num_extra_rl_steps_posterior
        return self.num_tasks_sample * sum(map(self.trajectories, parts)) * self.max_path_length

    @property
    def env_steps_before(self) -> int:
        """Environment steps collected before the first iteration."""
        return self.n_train_tasks * self.trajectories(self.num_initial_steps) * self.max_path_length


def configure(task: str, fidelity: str) -> PearlConfig:
    """The paper's values for a task, with every default resolved; raises ConfigError for a task PEARL does not know."""
    if task not in SETTINGS_FILES:
        raise ConfigError(f"pearl has no settings for task {task}, nor had the original; it knows {known_tasks()}")
    return config_from(read_settings(FOLDER / SETTINGS_FILES[task]), task, fidelity)


def known_tasks() -> str:
    """The tasks that PEARL knows, for people."""
    return ", ".join(SETTINGS_FILES)


def config_from(settings: Mapping[str, Any], task: str, fidelity: str) -> PearlConfig:
    """A config out of a JSON file's settings; raises ConfigError for values that cannot be honoured."""
    algorithm = {"evaluation_batches" if k == "num_evals" else k: v for k, v in settings["algo_params"].items()}
    mini = algorithm.pop("embedding_mini_batch_size", None)
    if mini not in (None, algorithm.get("embedding_batch_size")):
        raise ConfigError(f"embedding_mini_batch_size must equal embedding_batch_size, got {mini}")
    fields = PearlConfig.__dataclass_fields__
    for key, value in algorithm.items():
        if key in ONLY:
            if value != ONLY[key]:
                raise ConfigError(f"{key} must be {ONLY[key]}, got {value}")
            continue
        kind = {"int": int, "float": (int, float), "bool": bool}[str(fields[key].type)]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):  # type: ignore[arg-type]
            raise ConfigError(f"{key} must be of type {fields[key].type}, got {value}")
    numbers = {key: algorithm[key] for key in algorithm.keys() - ONLY}
    draft = PearlConfig(
        total_env_steps=1, n_train_tasks=settings["n_train_tasks"], n_eval_tasks=settings["n_eval_tasks"], **numbers
    )
    if fidelity == "fixed":  # ledger 15, 8
        enough = max(draft.num_steps_per_eval, (draft.num_exp_traj_eval + 1) * draft.max_path_length)
        tasks: Any = "every" if task.startswith("pendulum") else "released"
        draft = replace(draft, num_steps_per_eval=enough, pendulum_tasks=tasks)
    return replace(draft, total_env_steps=draft.env_steps_before + ITERATIONS * draft.env_steps_per_iteration)


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON file in the launcher's form; raises ConfigError, one line, where it is not one."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--config {path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"--config {path} is not valid JSON: {error}") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("algo_params"), dict):
        raise ConfigError(f"--config {path} must hold env_name, n_train_tasks, n_eval_tasks and algo_params")
    top = {"env_name", "n_train_tasks", "n_eval_tasks", "algo_params"}
    for key in settings:
        if key not in top | IGNORED:
            raise ConfigError(no_such("key", key, sorted(top | IGNORED), f" in {path.name}"))
    for key in sorted(top - settings.keys()):
        raise ConfigError(f"{path.name} lacks the key {key}")
    for key in ("n_train_tasks", "n_eval_tasks"):
        if isinstance(settings[key], bool) or not isinstance(settings[key], int):
            raise ConfigError(f"{key} must be a whole number, got {settings[key]}")
    known = sorted(ALGORITHM_KEYS | OTHER_KEYS | ONLY.keys())
    for key in settings["algo_params"]:
        if key not in known:
            raise ConfigError(no_such("key", key, known, f" in {path.name}"))
    return settings
