"""One frozen dataclass per gradient-based method: every value with its meaning, unit and source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mirl.config import require


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
    initial_weights: Literal["streams", "released"] = "streams"
    """`streams`: each network draws its own from a stream of its own. `released`: as the original with the same seed,
    one generator for all, the policy first, then the dynamics model; its pictures stand on such draws (ledger 20)."""
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
    pendulum_tasks: Literal["released", "every"] = "released"
    """Pendulum alone. `released`: the sixth training pair is never drawn, tests are four draws with replacement
    (ledger 8). `every`: all six are drawn from, each test pair is tested once."""
    ml10_preset: Literal["compat12", "full39"] = "compat12"
    """ML10 alone. `compat12`: the original's 12 numbers and the rewards v1, nearest to it. `full39`: Meta-World's
    whole observation and its rewards v2 (card 7.3)."""
    num_workers: int = 1
    """ML10 alone: processes that play its episodes; changes nothing but the time it takes (card 2.2)."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "fast_batch_size", "num_steps", "meta_batch_size", "cg_iters",
                      "ls_max_steps", "evaluation_batches", "num_workers"):  # fmt: skip
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
class MamlNoiseConfig(MamlConfig):
    """MAML+noise: MAML whose standardised rewards carry normal noise (card 5.2, step 4)."""

    noise_sd: float = 0.1
    """Standard deviation of the noise, in standard deviations of the rewards. As released 0.1; the README says 1
    (ledger 6). Tests have none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.noise_sd < math.inf, "noise_sd", self.noise_sd, "at least 0 and finite")


@dataclass(frozen=True)
class EMamlConfig(MamlConfig):
    """E-MAML: MAML whose outer loss also credits the sampling before adaptation (Stadie et al. 2018; card 5.7)."""

    exploration_credit: Literal["paired", "return"] = "paired"
    """What a training action is credited with (ledger 5). `paired`: as released, the advantage that stands at the
    same step and episode after adaptation. `return`: the task's mean return after adaptation, standardised over the
    tasks, which is the paper's term."""
    line_search_tasks: Literal["first", "all"] = "first"
    """Tasks that the line search judges a candidate by (ledger 18). `first`: as released the first one alone, its loss
    and KL divergence divided by the number of tasks; with more than one inner step that crashed and is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        single = self.num_steps == 1 or self.line_search_tasks == "all"
        require(single, "num_steps", self.num_steps, "1 with --line-search-tasks first")


@dataclass(frozen=True)
class MamlExplConfig(MamlConfig):
    """MAML+expl: MAML whose rewards carry an exploration bonus of fixed share (card 5.5)."""

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
    """Share of the intrinsic reward in (0, 1); mime meta-learns it from here."""
    dynamics_gradients: Literal["accumulated", "fresh"] = "accumulated"
    """`accumulated`: as released, outer gradients are never zeroed (ledger 1). `fresh`: zeroed at each update."""
    dynamics_batch: Literal["chunks", "whole"] = "chunks"
    """`chunks`: as released, the prior counts once per 128 transitions in the inner loss, and the outer loss sees
    the last chunk only (ledger 2). `whole`: all transitions at once in both."""
    information_precision: Literal["single", "double"] = "single"
    """Of the information gain's sum over parameters; in `single`, as released, rounding may outweigh it (ledger 19)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pre_epochs >= 0, "pre_epochs", self.pre_epochs, "at least 0")
        for field in ("dyn_samples", "dyn_first_updates"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("dyn_lr", "dyn_fast_lr", "dyn_prior_sd", "dyn_likelihood_sd"):
            require_positive(self, field)
        require(0 < self.eta < 1, "eta", self.eta, "in (0, 1)")
        require_widths(self, "dyn_hidden")


@dataclass(frozen=True)
class MimeConfig(MamlExplConfig):
    """MIME: MAML+expl that meta-learns the bonus's share eta (card 5.6)."""

    eta_lr: float = 1000.0
    """Step size of eta's meta-gradient, in logits; the gradient is ~1e-3, so one step moves eta by up to 0.3, where
    it is clipped (card 5.6)."""
    eta_update: Literal["before_policy", "after_policy"] = "before_policy"
    """`before_policy`: as released, the line search sees the new eta and compares with the old one's loss (ledger 4).
    `after_policy`: eta moves once the policy has."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.eta_lr < math.inf, "eta_lr", self.eta_lr, "at least 0 and finite")
        require(not self.first_order, "first_order", self.first_order, "off with mime: eta needs second derivatives")


def require_positive(config: MamlConfig, field: str) -> None:
    """Raises ConfigError unless the field is a positive, finite number."""
    value = getattr(config, field)
    require(0 < value < math.inf, field, value, "positive and finite" if value == math.inf else "positive")


def require_widths(config: MamlConfig, field: str) -> None:
    """Raises ConfigError unless the field holds at least one layer and every layer a unit."""
    sizes = getattr(config, field)
    require(len(sizes) > 0 and min(sizes) >= 1, field, list(sizes), "one or more positive layer sizes")
