"""What a run is made of: one frozen dataclass per method, filled from the paper's YAML files (card 2.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from mime.envs import horizon_of
from mirl.config import ConfigError, choose, require

FOLDER = Path(__file__).parent / "configs" / "msc_project"
SETTINGS_FILES = {
    "wide_ring": "2d-navigation-wide-ring-sparse.yaml",
    "hard_exploration": "2d-navigation-hard-exploration-sparse.yaml",
    "close_ring": "2d-navigation-close-ring-sparse.yaml",
}
FIDELITIES = ("faithful", "fixed")
SUPPORTED_ONLY = {"nonlinearity": "tanh", "normalize-spaces": False, "dyn-second-order": False}
"""Keys whose other values no experiment of the paper uses and this code does not know (ledger 13)."""
READ_ELSEWHERE = {"env-name", "env-kwargs", "num-batches", "pre-epochs", "eta", "adaptable-eta", "dyn-lr"}


@dataclass(frozen=True)
class MamlConfig:
    """MAML with trust-region policy optimisation, the baseline that MIME stands on (card 5.1-5.4)."""

    total_env_steps: int
    """Environment steps of training, before and after adaptation; the paper's num-batches + pre-epochs = 103
    iterations for every method (card 2.3)."""
    threads: int = 1
    """CPU threads of the tensor library."""
    gamma: float = 1.0
    """Discount per step, in (0, 1] (card 2.3)."""
    gae_lambda: float = 1.0
    """Trace of the generalised advantage estimates, in [0, 1] (card 5.2)."""
    fast_batch_size: int = 20
    """Trajectories per task, drawn once before and once after adaptation (card 2.3)."""
    fast_lr: float = 0.05
    """Step size of the inner loop (card 5.3)."""
    num_steps: int = 1
    """Inner steps in training, each on fresh trajectories (card 5.3)."""
    meta_batch_size: int = 10
    """Tasks per iteration (card 2.3)."""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units of the policy's hidden tanh layers (card 5.1)."""
    first_order: bool = False
    """Ignore how the inner gradient depends on the initial parameters (card 5.3)."""
    max_kl: float = 0.01
    """Trust region, in nats, on the adapted policies (card 5.4)."""
    cg_iters: int = 10
    """Iterations of conjugate gradient (card 5.4)."""
    cg_damping: float = 1e-5
    """Added to the diagonal of the Hessian of the KL divergence (card 5.4)."""
    ls_max_steps: int = 15
    """Step lengths that the line search tries before it gives up (card 5.4)."""
    ls_backtrack_ratio: float = 0.8
    """Each step length over the one before, in (0, 1) (card 5.4)."""
    evaluation_batches: int = 3
    """Repetitions of the test protocol (card 2.2)."""
    evaluation_steps: int = 10
    """Inner steps in testing, each on fresh trajectories (card 2.2)."""
    evaluation_seed: int = 1
    """Seed of the test trajectories (card 2.2)."""
    trajectory_images_every: int = 10
    """Iterations between pictures of the trajectories; 0 draws none. The original drew them at each (card 6)."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "fast_batch_size", "num_steps", "meta_batch_size", "cg_iters",
                      "ls_max_steps", "evaluation_batches"):  # fmt: skip
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("evaluation_steps", "evaluation_seed", "trajectory_images_every"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")
        for field in ("fast_lr", "max_kl", "cg_damping"):
            require_positive(self, field)
        require(0 < self.gamma <= 1, "gamma", self.gamma, "in (0, 1]")
        require(0 <= self.gae_lambda <= 1, "gae_lambda", self.gae_lambda, "in [0, 1]")
        require(0 < self.ls_backtrack_ratio < 1, "ls_backtrack_ratio", self.ls_backtrack_ratio, "in (0, 1)")
        require_widths(self, "hidden_sizes")


@dataclass(frozen=True)
class MimeConfig(MamlConfig):
    """MIME: MAML whose rewards carry a meta-learned exploration bonus (card 5.5-5.6)."""

    pre_epochs: int = 3
    """The intrinsic reward is on in iterations numbered above this, counted from 0 (card 5.2)."""
    dyn_hidden: tuple[int, ...] = (32,)
    """Units of the Bayesian dynamics model's hidden tanh layers (card 5.5)."""
    dyn_lr: float = 1e-4
    """Step size of the dynamics model's inner adaptation and of the step whose information gain is the intrinsic
    reward; dyn-fast-lr where the YAML has none (card 2.3)."""
    dyn_fast_lr: float = 1e-4
    """Step size of the dynamics model's outer update, before the factor tasks squared (card 5.5)."""
    dyn_prior_sd: float = 0.01
    """Standard deviation of the prior on the dynamics model's weights, and their initial one (card 5.5)."""
    dyn_likelihood_sd: float = 0.1
    """Standard deviation of the next observation about its prediction, in observation units (card 5.5)."""
    dyn_samples: int = 3
    """Monte Carlo samples of the dynamics model's weights per loss (card 5.5)."""
    dyn_first_updates: int = 50
    """Outer updates of the dynamics model in iteration 0; one in every later iteration (card 5.5)."""
    eta: float = 0.1
    """Share of the intrinsic reward before meta-learning, in (0, 1)."""
    eta_lr: float = 1000.0
    """Step size of eta's meta-gradient, in logits; the gradient is ~1e-3, so one step moves eta by up to 0.3, where
    it is clipped (card 5.6)."""
    dynamics_gradients: Literal["accumulated", "fresh"] = "accumulated"
    """`accumulated`: as released, outer gradients are never zeroed (ledger 1). `fresh`: zeroed at each update."""
    dynamics_batch: Literal["chunks", "whole"] = "chunks"
    """`chunks`: as released, the prior counts once per 128 transitions in the inner loss, and the outer loss sees
    the last chunk only (ledger 2). `whole`: all transitions at once in both."""
    eta_update: Literal["before_policy", "after_policy"] = "before_policy"
    """`before_policy`: as released, the line search sees the new eta and compares with the old one's loss (ledger 4).
    `after_policy`: eta moves once the policy has."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pre_epochs >= 0, "pre_epochs", self.pre_epochs, "at least 0")
        for field in ("dyn_samples", "dyn_first_updates"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("dyn_lr", "dyn_fast_lr", "dyn_prior_sd", "dyn_likelihood_sd"):
            require_positive(self, field)
        require(0 < self.eta < 1, "eta", self.eta, "in (0, 1)")
        require(0 <= self.eta_lr < math.inf, "eta_lr", self.eta_lr, "at least 0 and finite")
        require(not self.first_order, "first_order", self.first_order, "off with mime: eta needs second derivatives")
        require_widths(self, "dyn_hidden")


CONFIGS: dict[str, type[MamlConfig]] = {"maml": MamlConfig, "mime": MimeConfig}
FIXES: dict[str, dict[str, Any]] = {
    "maml": {},
    "mime": {"dynamics_gradients": "fresh", "dynamics_batch": "whole", "eta_update": "after_policy"},
}
"""Method -> fields that `fixed` sets otherwise than `faithful`."""


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
        if key.replace("-", "_") in fields and key not in READ_ELSEWHERE
    }
    pre_epochs = whole_number("pre-epochs", settings.get("pre-epochs", 1))
    if issubclass(kind, MimeConfig):
        # Ledger 12: as released, `eta` only switches the bonus on and `adaptable-eta` is its value.
        source = "adaptable-eta" if fidelity == "faithful" else "eta"
        if "eta-lr" not in settings:
            raise ConfigError("the settings lack the key eta-lr; mime has no default for it (the paper's files: 1000)")
        values["eta"] = real_number(source, settings[source])
        values["dyn_lr"] = real_number("dyn-lr", settings.get("dyn-lr", settings["dyn-fast-lr"]))
        values["pre_epochs"] = pre_epochs
    iterations = whole_number("num-batches", settings["num-batches"]) + pre_epochs
    draft = kind(total_env_steps=1, **values, **(FIXES[method] if fidelity == "fixed" else {}))
    total = iterations * env_steps_per_iteration(draft, settings["env-name"])
    return kind(**{**vars(draft), "total_env_steps": total})


def env_steps_per_iteration(config: MamlConfig, env_name: str) -> int:
    """Environment steps that one iteration samples, over all tasks, before each inner step and after the last."""
    return config.meta_batch_size * config.fast_batch_size * horizon_of(env_name) * (config.num_steps + 1)


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
    fields = {field.replace("_", "-") for field in MimeConfig.__dataclass_fields__}
    known = fields | READ_ELSEWHERE | set(SUPPORTED_ONLY)
    for key in settings:
        choose("key", str(key), known, f" in {path.name}")
    for key, value in SUPPORTED_ONLY.items():
        if settings.get(key) != value:
            raise ConfigError(f"{key} in {path.name} must be {value}, got {settings.get(key, 'nothing')}")
    for key in ("env-name", "num-batches", "dyn-fast-lr", "eta", "adaptable-eta"):
        if key not in settings:
            raise ConfigError(f"{path.name} lacks the key {key}")
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


def require_positive(config: MamlConfig, field: str) -> None:
    """Raises ConfigError unless the field is a positive, finite number."""
    value = getattr(config, field)
    require(0 < value < math.inf, field, value, "positive and finite" if value == math.inf else "positive")


def require_widths(config: MamlConfig, field: str) -> None:
    """Raises ConfigError unless the field holds at least one layer and every layer a unit."""
    sizes = getattr(config, field)
    require(len(sizes) > 0 and min(sizes) >= 1, field, list(sizes), "one or more positive layer sizes")
