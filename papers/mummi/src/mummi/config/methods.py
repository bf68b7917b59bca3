"""What each method adds to the shared fields, and what a task and a fidelity set otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mirl.config import require
from mummi.config.shared import Config

TASKS = ("walker_walk", "walker_stand", "finger_spin", "cheetah_run", "quadruped_walk", "cup_catch", "table_wiping")
FIDELITIES = ("faithful", "fixed")
TOUCH_WEIGHTS = {"walker_stand": 0.0025, "finger_spin": 0.1}
"""Task -> MuMMI's weight of touch where it is not 0.001 (card 2.2; finger_spin's notes also name 0.001)."""
FIXES_OF_ALL = {"shared_noise": False, "first_env_decides": False, "last_entry": True}
FIXES: dict[str, dict[str, Any]] = {
    "mummi": {**FIXES_OF_ALL, "masked_negatives": "removed"},
    "cvrl": {**FIXES_OF_ALL, "touch_scale": 200.0, "train_decoders": True},
    "dreamer": {**FIXES_OF_ALL, "touch_scale": 200.0},
}
"""Method -> fields that `fixed` sets otherwise than `faithful`: the README's ledger."""


@dataclass(frozen=True)
class MummiConfig(Config):
    """MuMMI: an expert and a density ratio a modality."""

    touch_scale: float = 200.0
    """Touch is divided by it before it enters a network (card 4.8)."""
    image_weight: float = 1.0
    """Weight of the image's bound in the model's loss (card 5.4)."""
    depth_weight: float = 1.0
    """Weight of depth's bound in the model's loss (card 5.4)."""
    touch_weight: float = 0.001
    """Weight of touch's bound in the model's loss (card 2.2, 5.4): 0.0025 on walker_stand, 0.1 on finger_spin."""
    kernel: Literal["mse", "bilinear"] = "mse"
    """Density ratio: minus squared distance, or inner product (card 5.3)."""
    expert_weight: Literal["inverse_std", "inverse_variance"] = "inverse_std"
    """How experts are weighted: as the code does, or as a product of Gaussians (card 5.2, 7.2)."""
    poe_eps: float = 0.01
    """Added to the sum of expert weights (card 5.2)."""
    mask_logit: float = -100.0
    """Logit of a negative that is missing (card 5.3); -inf (--mask-logit=-inf) removes it, as masked_negatives does."""
    masked_negatives: Literal["logit", "removed"] = "logit"
    """Whether missing negatives keep that logit or leave the sum (card 7.1.14; ledger 4)."""
    trajectory_opt: bool = True
    """Move each action along the gradient of its imagined return (card 5.8)."""
    traj_opt_lr: float = 0.003
    """Step size along that gradient, where trajectory_opt is on."""
    forward_search: bool = False
    """Take the first action of the best of several imagined rollouts instead of trajectory_opt, which must be off (card
    5.8)."""
    num_samples: int = 20
    """Rollouts of the forward search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_two_searches(self)
        for name in ("image_weight", "depth_weight", "touch_weight"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        require(self.poe_eps > 0, "poe_eps", self.poe_eps, "positive: it is all that is divided by with nothing sensed")


@dataclass(frozen=True)
class CvrlConfig(Config):
    """CVRL with several modalities: their embeddings side by side, one bilinear density ratio."""

    obs_model: Literal["contrastive", "generative"] = "contrastive"
    """What trains the latent state: the density ratio, or reconstructions."""
    train_decoders: bool = False
    """With obs_model generative: train the decoders too, which the original left out of its optimiser (card 5.5;
    ledger 5)."""
    reward_only: bool = False
    """Learn from rewards alone, without observations."""
    trajectory_opt: bool = True
    """Move each action along the gradient of its imagined return (card 5.8)."""
    traj_opt_lr: float = 0.003
    """Step size along that gradient, where trajectory_opt is on."""
    forward_search: bool = False
    """Take the first action of the best of several imagined rollouts instead of trajectory_opt, which must be off (card
    5.8)."""
    num_samples: int = 20
    """Rollouts of the forward search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_two_searches(self)

    @property
    def has_decoders(self) -> bool:
        return self.obs_model == "generative"


@dataclass(frozen=True)
class DreamerConfig(Config):
    """Dreamer with several modalities: embeddings side by side, trained by reconstruction."""


CONFIGS: dict[str, type[Config]] = {"mummi": MummiConfig, "cvrl": CvrlConfig, "dreamer": DreamerConfig}


def refuse_two_searches(config: Any) -> None:
    """Raises ConfigError for a config that asks for both ways to better an action."""
    require(
        not (config.trajectory_opt and config.forward_search), "forward_search", config.forward_search,
        "off where trajectory_opt is on (--no-trajectory-opt)",
    )  # fmt: skip
    require(config.num_samples > 0, "num_samples", config.num_samples, "positive")
    require(config.traj_opt_lr >= 0, "traj_opt_lr", config.traj_opt_lr, "0 or more")


def configure(task: str, method: str, fidelity: str) -> Config:
    """The paper's values for a task and method."""
    kind = CONFIGS[method]
    values: dict[str, Any] = dict(FIXES[method]) if fidelity == "fixed" else {}
    if method == "mummi" and task in TOUCH_WEIGHTS:
        values["touch_weight"] = TOUCH_WEIGHTS[task]
    return kind(**values)
