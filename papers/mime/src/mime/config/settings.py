"""The paper's YAML files, and how a method's config is filled from one (card 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mime.config.methods import (
    EMamlConfig,
    MamlConfig,
    MamlExplConfig,
    MamlNoiseConfig,
    MimeConfig,
)
from mime.envs import horizon_of, tasks_per_iteration
from mirl.config import ConfigError, choose, no_such

FOLDER = Path(__file__).parents[1] / "configs" / "msc_project"
SETTINGS_FILES = {
    "wide_ring": "2d-navigation-wide-ring-sparse.yaml",
    "hard_exploration": "2d-navigation-hard-exploration-sparse.yaml",
    "close_ring": "2d-navigation-close-ring-sparse.yaml",
    "dog": "dog-feeding-robot-navigation.yaml",
    "pendulum": "pendulum.yaml",
    "pendulum_sparse": "pendulum-sparse.yaml",
    "ml10": "metaworld-ml10.yaml",
}
FIDELITIES = ("faithful", "fixed")
SUPPORTED_ONLY = {"nonlinearity": "tanh", "normalize-spaces": False, "dyn-second-order": False}
"""Keys whose other values no experiment of the paper uses and this code does not know (ledger 13)."""
FIELD_KEYS = {
    "gamma", "gae-lambda", "first-order", "hidden-sizes", "fast-batch-size", "fast-lr", "num-steps", "meta-batch-size",
    "max-kl", "cg-iters", "cg-damping", "ls-max-steps", "ls-backtrack-ratio", "dyn-hidden", "dyn-fast-lr",
    "dyn-prior-sd", "eta-lr",
}  # fmt: skip
"""Keys that are fields of a config by the same name; a method without the field has no use for the key."""
READ_ELSEWHERE = {"env-name", "env-kwargs", "num-batches", "pre-epochs", "eta", "adaptable-eta", "dyn-lr"}
HAVE_DEFAULTS = {"pre-epochs", "eta-lr", "dyn-lr"}
"""Keys that a file may leave out; eta-lr as long as the method is not mime."""

CONFIGS: dict[str, type[MamlConfig]] = {
    "maml": MamlConfig,
    "maml_noise": MamlNoiseConfig,
    "maml_expl": MamlExplConfig,
    "mime": MimeConfig,
    "e_maml": EMamlConfig,
}
FIXED_DYNAMICS = {"dynamics_gradients": "fresh", "dynamics_batch": "whole", "information_precision": "double"}
FIXES: dict[str, dict[str, Any]] = {
    "maml": {},
    "maml_noise": {"noise_sd": 1.0},
    "maml_expl": FIXED_DYNAMICS,
    "mime": {**FIXED_DYNAMICS, "eta_update": "after_policy"},
    "e_maml": {"exploration_credit": "return", "line_search_tasks": "all"},
}
"""Method -> fields that `fixed` sets otherwise than `faithful`."""
FIXES_OF_TASKS: dict[str, dict[str, Any]] = {"MetaPendulum-v0": {"pendulum_tasks": "every"}}
"""env-name -> the same, for every method."""


def configure(task: str, method: str, fidelity: str) -> MamlConfig:
    """The paper's values for a task and method, with every default resolved."""
    return config_from(paper_settings(task), method, fidelity)


def config_from(settings: Mapping[str, Any], method: str, fidelity: str) -> MamlConfig:
    """A config out of a YAML file's settings; raises ConfigError for values that cannot be honoured."""
    kind = CONFIGS[method]
    fields = kind.__dataclass_fields__
    values: dict[str, Any] = {
        key.replace("-", "_"): convert(key, value, str(fields[key.replace("-", "_")].type))
        for key, value in settings.items()
        if key in FIELD_KEYS and key.replace("-", "_") in fields
    }
    pre_epochs = whole_number("pre-epochs", settings.get("pre-epochs", 1))
    if issubclass(kind, MamlExplConfig):
        # Ledger 12: as released, `eta` only switches the bonus on and `adaptable-eta` is its value.
        source = "adaptable-eta" if fidelity == "faithful" else "eta"
        if issubclass(kind, MimeConfig) and "eta-lr" not in settings:
            raise ConfigError("the settings lack the key eta-lr; mime has no default for it (the paper's files: 1000)")
        values["eta"] = real_number(source, settings[source])
        values["dyn_lr"] = real_number("dyn-lr", settings.get("dyn-lr", settings["dyn-fast-lr"]))
        values["pre_epochs"] = pre_epochs
    iterations = whole_number("num-batches", settings["num-batches"]) + pre_epochs
    fixes = FIXES[method] | FIXES_OF_TASKS.get(settings["env-name"], {}) if fidelity == "fixed" else {}
    draft = kind(total_env_steps=1, **values, **fixes)
    total = iterations * env_steps_per_iteration(draft, settings["env-name"])
    return kind(**{**vars(draft), "total_env_steps": total})


def refuse_other_tasks_fields(task: str, pendulum_tasks: str, ml10_preset: str = "compat12") -> None:
    """Raises ConfigError where a field of the pendulum or of ML10 is set on a task that has no use for it."""
    if pendulum_tasks != "released" and not task.startswith("pendulum"):
        raise ConfigError(
            f"--pendulum-tasks {pendulum_tasks} means nothing on {task}; pendulum and pendulum_sparse know it"
        )
    if ml10_preset != "compat12" and task != "ml10":
        raise ConfigError(f"--ml10-preset {ml10_preset} means nothing on {task}; ml10 alone knows it")


def env_steps_per_iteration(config: MamlConfig, env_name: str) -> int:
    """Environment steps that one iteration samples, over all tasks, before each inner step and after the last."""
    tasks = tasks_per_iteration(env_name, config.meta_batch_size)
    return tasks * config.fast_batch_size * horizon_of(env_name) * (config.num_steps + 1)


@cache
def paper_settings(task: str) -> Mapping[str, Any]:
    """The settings of the YAML file that belongs to a task."""
    return read_settings(FOLDER / SETTINGS_FILES[choose("task", task, SETTINGS_FILES)])


def read_settings(path: Path) -> dict[str, Any]:
    """A YAML file in the paper's form, by the safe loader; raises ConfigError, one line, where it is not one."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--config {path} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"--config {path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"--config {path} must hold keys and values, got {type(settings).__name__}")
    known = sorted(FIELD_KEYS | READ_ELSEWHERE | SUPPORTED_ONLY.keys())
    for key in settings:
        if key not in known:
            raise ConfigError(no_such("key", str(key), known, f" in {path.name}"))
    for key, value in SUPPORTED_ONLY.items():
        if settings.get(key) != value:
            raise ConfigError(f"{key} in {path.name} must be {value}, got {settings.get(key, 'nothing')}")
    lacking = sorted((FIELD_KEYS | READ_ELSEWHERE) - HAVE_DEFAULTS - settings.keys())
    if lacking:
        raise ConfigError(f"{path.name} lacks the key {lacking[0]}")
    return settings


def convert(key: str, value: object, kind: str) -> Any:
    """A YAML value as the type of its field; YAML itself reads 1e-5 as text."""
    if kind == "bool":
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be true or false, got {value}")
        return value
    if kind == "tuple[int, ...]":
        if not isinstance(value, list):
            raise ConfigError(f"{key} must be a list of whole numbers, got {value}")
        return tuple(whole_number(key, size) for size in value)
    return whole_number(key, value) if kind == "int" else real_number(key, value)


def whole_number(key: str, value: object) -> int:
    """`value` as an int; raises ConfigError naming `key`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{key} must be a whole number, got {value}")
    return value


def real_number(key: str, value: object) -> float:
    """`value` as a float; raises ConfigError naming `key`."""
    try:
        return float(str(value))
    except ValueError:
        raise ConfigError(f"{key} must be a number, got {value}") from None
