"""What a run is made of: one frozen dataclass per method (card 2.1); `sami.fidelity` resolves defaults by task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from mirl.config import ConfigError, choose, option_of, require
from sami.envs.robots import LEGACY, ROBOTS
from sami.settings import CRIPPLING, parse_tuples, task_sets, variants_of


@dataclass(frozen=True)
class TesacConfig:
    """TESAC: soft actor-critic on (observation, context); the context encoder learns through the critic alone."""

    total_env_steps: int
    """Environment steps of training, summed over the training slots; the text's are 1,600,000, the parser's default is
    500,000 a slot, the Panda script's 1,000,000 (card 2.1, 2.2)."""
    threads: int = 1
    """CPU threads of the tensor library and of the physics."""
    task_set: Literal["main", "domino", "script"] = "main"
    """Which reconstruction of the training and test tuples (card 4.6); `script`: the shipped launch recipe, where there
    is one."""
    train_envs: str = ""
    """Training tuples as the original writes them, [([0.75],[1.0]),([1.25],[1.0])]; empty: those of the task set."""
    test_envs: str = ""
    """Test tuples in the same form, judged as one setting named `given`; empty: the task set's."""
    slots: int = 4
    """Environments that are stepped together, each with a training tuple of its own; where there are more tuples, so
    many that lie evenly among them, from the first to the last (card 2.1)."""
    horizon: int = 1000
    """Steps per episode, at most; the environment's own by default (card 4.2)."""
    reward_version: Literal["final", "legacy"] = "final"
    """`legacy`: rewards of Ant, CrippledAnt and Hopper as they were before August 2024 (card 4.3); the horizon stays
    what --horizon says, and was 3000 for CrippledAnt."""
    legacy_capsule_mass: bool = False
    """Body masses as MuJoCo 2.1.0 computed them from capsules (card 4.4)."""
    mask_leg: bool = False
    """CrippledWalker's mode [3] really disables the leg; as released it only shrinks it (ledger 8)."""
    vary_damping: bool = False
    """Crippled tasks vary their damping as well, as the original's README says (ledger 9)."""
    batch_size: int = 16
    """Trajectories per gradient step; 12 in the text (card 2.1, 2.2, 5.4)."""
    batch_slots: Literal["all", "one"] = "all"
    """Whose trajectories they are. `all`: as released, the same number from each slot. `one`: as the text says, one
    slot's at a time, the slots taking turns (card 2.2)."""
    buffer_size: int = 100
    """Trajectories per slot; the text's 100,000 steps are so many whole ones of all slots together (card 2.1, 2.2)."""
    full_buffer: Literal["overwritten", "whole"] = "overwritten"
    """`overwritten`: as released, a full buffer also samples the trajectory that is being written over, its first steps
    new and the others old (ledger 19). `whole`: a place more, in which the next one is written unseen."""
    train_freq: int = 128
    """Steps of every slot between updates (card 2.1)."""
    gradient_steps: int = 16
    """Gradient steps of an update (card 2.1)."""
    learning_starts: int = 2000
    """Steps of every slot that are played at random before learning starts (card 2.1)."""
    learning_rate: float = 1e-3
    """Of Adam for actor, critics, encoder and temperature (card 5.2)."""
    gamma: float = 0.95
    """Discount per step, in [0, 1) (card 2.1)."""
    tau: float = 0.05
    """Share by which the target critics move at each gradient step, in (0, 1] (card 2.1)."""
    encoder_tau: float = 0.05
    """The same of the momentum encoder (card 2.1)."""
    context_size: int = 6
    """Numbers in a context; the original's causal_dim (card 2.1)."""
    context_hidden_size: int = 128
    """Units of the encoder's LSTM; the original's causal_hidden_dim (card 2.1)."""
    hidden_sizes: tuple[int, ...] = (512, 512, 512)
    """Units of the hidden ReLU layers of actor and critics (card 5.1)."""
    timeouts: Literal["terminal", "bootstrap"] = "terminal"
    """`terminal`: as released, no value beyond the horizon (ledger 4). `bootstrap`: only the task's own end is one."""
    first_context: Literal["carried", "clean"] = "carried"
    """`carried`: as released, noise at first, then the last episode's final context (ledger 5). `clean`: the encoder's
    answer to the first observation."""
    evaluation_episodes: int = 100
    """Test episodes per test tuple; test_eps_num_per_env of the original (card 2.1)."""
    evaluation_seed: int = 1
    """Seed of the test episodes, apart from the training's."""
    evaluation_protocol: Literal["full", "legacy"] = "full"
    """`legacy`: returns without the last reward, Ant cut at 1000 steps (ledger 12)."""
    projections: tuple[str, ...] = ("tsne", "pca")
    """Pictures of the contexts that `evaluate` draws: tsne, pca, umap (card 6)."""
    initial_run: str = ""
    """A run directory of the same task and network sizes, whose newest networks and optimisers training begins with;
    the original's --use_continue_train (card 6)."""
    save_video: bool = False
    """Film every tested setting when training ends, into videos/ of the run directory."""
    checkpoint_every: int = 10_000
    """Environment steps between checkpoints, at least; --save-every may make them rarer."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "slots", "horizon", "batch_size", "buffer_size", "train_freq",
                      "gradient_steps", "context_size", "context_hidden_size", "evaluation_episodes"):  # fmt: skip
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("learning_starts", "evaluation_seed", "checkpoint_every"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "positive and finite")
        require(0 <= self.gamma < 1, "gamma", self.gamma, "in [0, 1)")
        for field in ("tau", "encoder_tau"):
            require(0 < getattr(self, field) <= 1, field, getattr(self, field), "in (0, 1]")
        if self.batch_slots == "all":
            require_multiple(self.batch_size, self.slots, "batch_size")
        sizes = self.hidden_sizes
        require(len(sizes) > 0 and min(sizes) >= 1, "hidden_sizes", list(sizes), "one or more positive layer sizes")
        for name in self.projections:
            choose("projections", name, PROJECTIONS)


@dataclass(frozen=True)
class CcmConfig(TesacConfig):
    """CCM: the encoder also learns, by contrast, to tell apart the tasks that trajectories come from (card 5.5)."""

    contrast_selection: Literal["env_diff", "one", "half", "all"] = "env_diff"
    """Which trajectories are contrasted (card 5.5). `env_diff`: one slot's against another's; `one`: the better ones of
    a slot against the worse; `half`: one slot's best against the worse half of all; `all`: as `one` over all slots."""
    contrast_batch_size: int = 0
    """Trajectories per contrastive step, positives and negatives together; 0: as many as `batch_size`, which is so in
    every recipe of the paper (card 2.1)."""
    negative_share: float = 0.5
    """Share of negatives among them, at least one and not all; the original's neg_radio (card 2.1)."""
    contrast_training_interval: int = 1
    """Gradient steps per contrastive step, counted anew in each update (card 2.1)."""
    adversarial_loss_coef: float = 0.01
    """alpha: the gap between positives' and negatives' scores, times this, weighs the contrastive loss (card 5.6)."""
    use_weighted_info_nce: bool = False
    """A learnt linear map W on the keys (card 5.1)."""
    contrastive_loss: Literal["pairs", "softmax"] = "pairs"
    """`pairs`: as released, binary and over all pairs (ledger 1). `softmax`: each query against its own positive and
    all negatives, as in the paper."""
    contrast_actions: Literal["previous_slot", "own"] = "previous_slot"
    """`previous_slot`: as released, observations are paired with the actions of the trajectory stored before, unshifted
    (ledger 2). `own`: with the action before each observation."""
    score: Literal["stale", "mean"] = "stale"
    """`stale`: as released, a trajectory's score is (return + one stale reward) / (length + 1) (ledger 3). `mean`: its
    mean reward. `env_diff` reads none."""
    masked_rows: Literal["zeros", "dropped"] = "zeros"
    """`zeros`: as released, steps from the last one on are zero vectors in the contrastive set (ledger 6). `dropped`:
    the set is the valid steps, the last one among them."""
    rows_beyond_horizon: int = 1
    """Rows of the original's buffer after the horizon's, zero vectors in the contrastive set as well; 2 for Ant, whose
    episodes end a step before its buffer does (ledger 10). Read where `contrastive_loss` is `pairs` and `masked_rows`
    `zeros`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.contrast_batch_size
        require(size == 0 or size >= 2, "contrast_batch_size", size, "0 or at least 2")
        require(self.contrasted >= 2, "batch_size", self.batch_size, "at least 2 where contrast_batch_size is 0")
        require(0 <= self.negative_share <= 1, "negative_share", self.negative_share, "in [0, 1]")
        require(self.rows_beyond_horizon >= 0, "rows_beyond_horizon", self.rows_beyond_horizon, "at least 0")
        interval = self.contrast_training_interval
        require(interval >= 1, "contrast_training_interval", interval, "at least 1")
        coefficient = self.adversarial_loss_coef
        require(0 <= coefficient < math.inf, "adversarial_loss_coef", coefficient, "at least 0 and finite")
        if self.contrast_selection in ("env_diff", "half"):
            require(
                self.slots >= 2,
                "slots",
                self.slots,
                f"at least 2 where contrast_selection is {self.contrast_selection}",
            )
        if self.contrast_selection in ("half", "all"):
            require_multiple(self.contrasted, self.slots, "contrast_batch_size")

    @property
    def contrasted(self) -> int:
        """Trajectories in a contrastive step."""
        return self.contrast_batch_size or self.batch_size

    @property
    def negatives(self) -> int:
        """Those of them that are negatives (card 5.5)."""
        return min(max(int(self.contrasted * self.negative_share), 1), self.contrasted - 1)


@dataclass(frozen=True)
class SaTesacConfig(CcmConfig):
    """SaTESAC: TESAC whose encoder also learns, by contrast, to tell good skills from bad ones in a task (card 5.5)."""

    contrast_selection: Literal["env_diff", "one", "half", "all"] = "one"


@dataclass(frozen=True)
class SaCcmConfig(CcmConfig):
    """SaCCM: CCM whose positives are one task's best skills and whose negatives are the worse of all (card 5.5)."""

    contrast_selection: Literal["env_diff", "one", "half", "all"] = "half"


CONFIGS: dict[str, type[TesacConfig]] = {
    "tesac": TesacConfig, "ccm": CcmConfig, "satesac": SaTesacConfig, "saccm": SaCcmConfig,
}  # fmt: skip
PROJECTIONS = ("tsne", "pca", "umap")


def training_tuples(task: str, config: TesacConfig) -> tuple[Any, ...]:
    """One tuple per slot; raises ConfigError where there are fewer than slots, or where the text cannot be read."""
    if config.train_envs:
        found = read_tuples(task, "train_envs", config.train_envs)
        if len(found) != config.slots:
            raise ConfigError(f"--slots must be the number of tuples in --train-envs, {len(found)}, got {config.slots}")
        return found
    found = task_set(task, config)["training"].tuples
    if len(found) < config.slots:
        raise ConfigError(f"--slots must be at most {len(found)} on {task} ({config.task_set}), got {config.slots}")
    stride = (len(found) - 1) / max(config.slots - 1, 1)
    return tuple(found[round(slot * stride)] for slot in range(config.slots))


def task_set(task: str, config: TesacConfig) -> dict[str, Any]:
    """Setting -> tuples and where they come from; raises ConfigError for a set that the task does not have."""
    choose("task_set", config.task_set, variants_of(task), f" for {task}")
    return dict(task_sets(task, config.task_set))


def read_tuples(task: str, field: str, text: str) -> tuple[Any, ...]:
    """Tuples as the original's command line writes them, at least one; raises ConfigError that names the field."""
    try:
        found = tuple(parse_tuples(task, text))
    except ValueError as error:
        raise ConfigError(f"{option_of(field)}: {error}") from None
    if not found:
        raise ConfigError(f"{option_of(field)} names no task tuple, got {text}")
    return found


TASKS_OF = {
    "mask_leg": ("crippled_walker",), "vary_damping": tuple(CRIPPLING), "reward_version": tuple(LEGACY),
    "legacy_capsule_mass": tuple(ROBOTS),
}  # fmt: skip
"""Environments' switches -> the tasks on which they change anything."""


def require_effect(task: str, config: TesacConfig) -> None:
    """Raises ConfigError for a switch that is turned on a task where it changes nothing."""
    for name, tasks in TASKS_OF.items():
        value = getattr(config, name)
        if task not in tasks and value != type(config).__dataclass_fields__[name].default:
            raise ConfigError(f"{option_of(name)} changes nothing on {task} (only on {', '.join(tasks)}), got {value}")


def environment_options(config: TesacConfig) -> dict[str, Any]:
    """The switches that environments take."""
    return {name: getattr(config, name) for name in TASKS_OF}


def require_multiple(value: int, slots: int, field: str) -> None:
    """Raises ConfigError unless `value` is a multiple of the number of slots (ledger 13)."""
    require(value % slots == 0, field, value, f"a multiple of --slots, which is {slots}")
