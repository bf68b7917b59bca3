"""What a run is made of: one frozen dataclass a method (card 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mirl.config import require

TASKS = ("cartpole",)
FIDELITIES = ("faithful", "fixed")


@dataclass(frozen=True)
class ReinforceConfig:
    """REINFORCE: the gradient of whole episodes' returns (card 5.2)."""

    total_env_steps: int = 200_000
    """Environment steps of training, summed over parallel episodes; the last update's episodes are played to their
    end (ours)."""
    threads: int = 1
    """CPU threads."""
    episodes_per_update: int = 16
    """Episodes that an update learns from, played in parallel (ours)."""
    hidden_sizes: tuple[int, ...] = (64,)
    """Units of each hidden layer, tanh (ours)."""
    learning_rate: float = 0.01
    """Adam's step size for the policy (ours)."""
    discount: float = 0.99
    """gamma, per environment step, in (0, 1] (card 5.1)."""
    gradient_discount: Literal["left_out", "kept"] = "left_out"
    """Whether step t of the gradient is weighted by gamma^t. `left_out`: as in most programs (ledger 1). `kept`: as the
    theorem has it (card 5.2)."""
    evaluation_every: int = 20_000
    """Environment steps between tests while training; 0: one at the end alone."""
    evaluation_episodes: int = 100
    """Episodes of a test (ours)."""
    evaluation_seed: int = 1_000
    """Of the starts and actions of tests, the same for every run."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "episodes_per_update", "evaluation_episodes"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require(self.evaluation_every >= 0, "evaluation_every", self.evaluation_every, "at least 0")
        require(self.evaluation_seed >= 0, "evaluation_seed", self.evaluation_seed, "at least 0")
        require(min(self.hidden_sizes, default=0) >= 1, "hidden_sizes", list(self.hidden_sizes), "each at least 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "positive")
        require(0 < self.discount <= 1, "discount", self.discount, "in (0, 1]")


@dataclass(frozen=True)
class BaselineConfig(ReinforceConfig):
    """REINFORCE whose returns are held against a learned value of the state (card 5.3)."""

    value_learning_rate: float = 0.01
    """Adam's step size for the value network (ours)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.value_learning_rate > 0, "value_learning_rate", self.value_learning_rate, "positive")


CONFIGS = {"reinforce": ReinforceConfig, "reinforce_baseline": BaselineConfig}
"""Method -> what it is made of."""


def configure(task: str, method: str, fidelity: str) -> ReinforceConfig:
    """The defaults of a method on a task; `fixed` mends what the README's ledger lists."""
    config = CONFIGS[method]()
    return replace(config, gradient_discount="kept") if fidelity == "fixed" else config
