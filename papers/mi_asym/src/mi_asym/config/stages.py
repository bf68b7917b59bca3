"""Fields of stage 1 (collect) and stage 2 (pretrain)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from mirl.config import require


class Checked:
    """A dataclass whose every base checks its own fields, by a method `check` that raises ConfigError."""

    def __post_init__(self) -> None:
        for base in reversed(type(self).__mro__):
            if "check" in vars(base):
                vars(base)["check"](self)


@dataclass(frozen=True, kw_only=True)
class CacheFields(Checked):
    """Methods that stand on the stages before them."""

    cache: str = ""
    """Folder of stage 1's data and of what stage 2 learns; empty: results/cache/mi_asym beside the runs."""


@dataclass(frozen=True, kw_only=True)
class CollectConfig(Checked):
    """Stage 1: episodes from which the features are learnt (card 5.1)."""

    collect_episodes: int = 3000
    """Episodes of stage 1's data; 3,000 on Heaven-Hell (card 2.3). Robots: 500, our choice, as none was published."""
    collect_random_episodes: int = 3000
    """Of these, episodes of uniformly random actions; the others are the scripted expert's, which grids do not have
    (card 5.1, ledger 15)."""
    collect_augmentations: int = 0
    """Rotated copies of each expert episode, robots only; 0 for none (card 4.5: --aug --n_aug)."""
    collect_seed: int = 42
    """Seed of stage 1; all training seeds share its data (card 2.4)."""
    start: Literal["carry", "uniform"] = "carry"
    """CarFlag: where an episode starts. `carry`: as released, where the last ended; `uniform`: anywhere (ledger 9)."""

    def check(self) -> None:
        require(self.collect_episodes >= 1, "collect_episodes", self.collect_episodes, "at least 1")
        all_, random = self.collect_episodes, self.collect_random_episodes
        require(0 <= random <= all_, "collect_random_episodes", random, f"0 to --collect-episodes, which is {all_}")
        for field in ("collect_augmentations", "collect_seed"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(Checked):
    """Stage 2: features z_s and z_o (card 2.5, 5.2)."""

    pretrain_epochs: int = 1000
    """Passes over stage 1's data (card 2.3; the command line's default was 10)."""
    pretrain_seed: int = 0
    """Seed of stage 2; all training seeds share its encoders. As released it only named the folder (ledger 8)."""
    pretrain_batch_size: int = 500
    """Samples of a batch; an epoch's last incomplete batch is dropped (card 2.5)."""
    encoder_lr: float = 1e-3
    """Step size of Adam for encoders, sub-encoders and dynamics (card 2.5)."""
    estimator_lr: float = 1e-3
    """Step size of Adam for the CLUB estimator (card 2.5)."""
    reward_loss_weight: float = 10.0
    """Weight of the reward's squared error (card 2.5)."""
    state_dynamics_weight: float = 1.0
    """Weight of the squared error of the next z_s (card 2.5)."""
    observation_dynamics_weight: float = 1.0
    """Weight of the squared error of the next z_o (card 2.5)."""
    disentangling_weight: float = 1.0
    """Weight of the information that z_s and z_o share (card 2.5)."""
    state_information_weight: float = 0.0
    """Weight of the information of z_s about the state (card 2.5)."""
    observation_information_weight: float = 1.0
    """Weight of the information of z_o about the observation (card 2.5)."""
    dynamics_width: int = 128
    """Units of each of the dynamics model's three hidden layers (card 2.5)."""
    pretrain_action: Literal["index", "one_hot"] = "index"
    """How discrete actions enter the dynamics: `index`, as released, as one number; `one_hot` (ledger 12)."""

    def check(self) -> None:
        for field in ("pretrain_epochs", "pretrain_batch_size", "dynamics_width"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require(self.pretrain_seed >= 0, "pretrain_seed", self.pretrain_seed, "at least 0")
        for field in ("encoder_lr", "estimator_lr"):
            require_positive(self, field)
        for field in PretrainConfig.__dataclass_fields__:
            if field.endswith("_weight"):
                require_weight(self, field)


@dataclass(frozen=True, kw_only=True)
class EmbedderFields(CollectConfig, PretrainConfig, CacheFields):
    """Methods that stand on the features of stages 1 and 2."""

    state_embedder: str = ""
    """A file with phi's weights (card 6.2); empty: stages 1 and 2 make it, or it is found in the cache."""
    obs_embedder: str = ""
    """A file with psi's weights, as `state_embedder`."""

    def check(self) -> None:
        both = bool(self.state_embedder) == bool(self.obs_embedder)
        given = self.state_embedder or self.obs_embedder
        require(both, "state_embedder", given, "given together with --obs-embedder, or neither")


def require_positive(config: Any, field: str) -> None:
    """Raises ConfigError unless the field is a positive, finite number."""
    value = getattr(config, field)
    require(0 < value < math.inf, field, value, "positive and finite")


def require_weight(config: Any, field: str) -> None:
    """Raises ConfigError unless the field is a finite number that is not negative."""
    value = getattr(config, field)
    require(0 <= value < math.inf, field, value, "at least 0 and finite")
