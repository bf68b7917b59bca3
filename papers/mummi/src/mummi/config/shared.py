"""What all methods share: one frozen dataclass; "card" is method-card.md beside the package.

Where a source is named without more it is card 2.6, the table of all three programs' defaults.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Literal

from mirl.config import require

Activation = Literal["elu", "relu", "tanh"]
MODALITIES = ("image", "depth", "touch")
LONGEST_EPISODE = 1000
"""Environment steps after which dm_control ends an episode."""
POSITIVE_NUMBERS = (
    "total_env_steps", "threads", "updates_per_call", "envs", "action_repeat", "time_limit", "background_videos",
    "background_frames", "eval_every", "eval_episodes", "test_episodes", "log_every", "train_every", "batch_size",
    "replay_memory_mib", "deter_size", "stoch_size", "num_units", "cnn_depth", "embed_size", "touch_scale",
    "action_init_std", "model_lr", "value_lr", "actor_lr", "grad_clip",
)  # fmt: skip
NATURAL_NUMBERS = (
    "prefill", "train_steps", "pretrain", "free_nats", "kl_scale", "pcont_scale", "expl_amount", "expl_decay",
    "expl_min", "eval_noise", "weight_decay",
)  # fmt: skip
SHARES = ("miss_ratio", "miss_ratio_image", "miss_ratio_depth", "miss_ratio_touch", "discount", "disclam")


@dataclass(frozen=True)
class Config:
    """What all methods share."""

    total_env_steps: int = 2_000_000
    """Environment steps with action repeat (`steps`), prefill included."""
    threads: int = 1
    """CPU threads of one operation; results repeat bit for bit for a fixed number."""
    precision: Literal[32, 16] = 32
    """Bits of network arithmetic. The original ran 16 with float16 losses; here losses are always float32, and 16,
    meant for GPUs, scales them dynamically (card 5.9, 7.1.6, 7.1.11)."""
    jit_compile: bool = False
    """Compile updates with XLA (ours, card 8.3.6)."""
    updates_per_call: int = 5
    """Gradient steps per call of the compiled graph, their batches stacked (ours, card 8.3.7); changes no number."""

    # environment
    envs: int = 1
    """Environments stepped together."""
    parallel: Literal["none", "thread", "process"] = "none"
    """Where environments run."""
    action_repeat: int = 2
    """Control steps per agent step."""
    time_limit: int = 1000
    """Environment steps per episode."""
    natural: bool = True
    """Blend natural videos behind the scene and let sensors go missing; without, all flags are 1 (card 4.2)."""
    multi_modal: bool = True
    """Without, the agent sees the image alone."""
    miss_ratio: float = 0.05
    """Probability that a gap starts in a modality at a step (card 4.6); 0.05 means 28 % missing frames."""
    miss_ratio_image: float | None = None
    """Missing ratio of the image alone; None takes miss_ratio (card 7.1.7)."""
    miss_ratio_depth: float | None = None
    """Missing ratio of depth alone; None takes miss_ratio."""
    miss_ratio_touch: float | None = None
    """Missing ratio of touch alone; None takes miss_ratio."""
    max_miss_len: int = 15
    """Upper bound, exclusive, of a gap's length in agent steps."""
    backgrounds: str | None = None
    """Folder with natural_train.pkl and natural_valid.pkl, or with own_train.npy and own_valid.npy as `python -m mummi
    backgrounds` makes them; where neither is there, procedural videos stand in (ours, card 4.5). None: the paper's
    folder, papers/mummi, from wherever the command is run."""
    background_videos: int = 128
    """Procedural training videos (card 4.5); a quarter of it validates."""
    background_frames: int = 256
    """Frames of a procedural video (card 4.5: 256 to 1000)."""
    fast_rendering: bool = False
    """Draw without shadows and reflections: several times faster, and other pixels (ours, card 8.1)."""
    clip_rewards: Literal["none", "tanh"] = "none"
    """What is done to rewards before learning."""

    # schedule
    prefill: int = 5000
    """Environment steps of uniformly random actions before learning."""
    eval_every: int = 10_000
    """Environment steps between evaluations, which are also when a checkpoint is due."""
    eval_episodes: int = 1
    """Episodes of an evaluation during training (card 2.4); the original plays one."""
    test_episodes: int = 10
    """Episodes at each missing ratio of the robustness test (card 2.4)."""
    log_every: int = 1000
    """Environment steps between lines of losses."""
    train_every: int = 1000
    """Environment steps between bursts of gradient steps."""
    train_steps: int = 100
    """Gradient steps of a burst."""
    pretrain: int = 100
    """Gradient steps of the first burst."""
    batch_size: int = 50
    """Sequences per gradient step."""
    batch_length: int = 50
    """Agent steps per sequence."""
    replay_precision: Literal[16, 32] = 16
    """Bits of floats in the replay and in observations; the original's with its precision 16 (card 4.7)."""
    dataset_balance: bool = False
    """Draw starts so that an episode's ends are seen as often as its middle (card 5.10)."""
    last_entry: bool = False
    """Also learn from each episode's last entry, which the original never draws (card 5.10, 7.1.12; ledger 10)."""
    replay_memory_mib: int = 4_000
    """Episodes beyond so many MiB are read from their files when they are drawn (ours); the whole budget takes
    20 GB (card 8.1)."""

    # networks
    deter_size: int = 200
    """Deterministic part of the latent state, numbers."""
    stoch_size: int = 30
    """Stochastic part of the latent state, numbers."""
    num_units: int = 400
    """Width of the reward, value, discount and actor networks."""
    dense_act: Activation = "elu"
    """Activation of dense layers, the recurrent model's included."""
    cnn_act: Activation = "relu"
    """Activation of convolutions, and of the touch encoder and experts."""
    cnn_depth: int = 32
    """Channels of the first convolution; 2, 4 and 8 times as many follow."""
    embed_size: int = 1024
    """Numbers that the touch encoder ends in, and in which MuMMI's experts meet (card 5.1)."""
    touch_scale: float = 1.0
    """Touch is divided by it before it enters a network (card 4.8): 200 in MuMMI, 1 in the others (ledger 2)."""

    # world model
    free_nats: float = 3.0
    """Nats under which the divergence is not pressed."""
    kl_scale: float = 1.0
    """Weight of the divergence."""
    pcont: bool = False
    """Predict whether the episode goes on."""
    pcont_scale: float = 10.0
    """Weight of predicting whether the episode goes on, where pcont is on."""
    shared_noise: bool = True
    """One draw of latent noise per time step for the whole batch, as the original's sampler had it (card 5.1; ledger
    1)."""

    # behaviour
    discount: float = 0.99
    """Discount of an imagined step."""
    disclam: float = 0.95
    """Lambda of the imagined returns."""
    horizon: int = 15
    """Imagined steps."""
    action_init_std: float = 5.0
    """Standard deviation of an action before squashing at network output 0."""
    expl: Literal["additive_gaussian", "completely_random", "epsilon_greedy"] = "additive_gaussian"
    """How training explores: noise on each action; uniform actions in place of the agent's; or, with a chance of
    expl_amount, an action of one 1 among zeros, drawn uniformly."""
    expl_amount: float = 0.3
    """Standard deviation of the exploration noise on actions, training only; with expl epsilon_greedy a chance."""
    expl_decay: float = 0.0
    """Environment steps in which the exploration noise halves; 0 keeps it."""
    expl_min: float = 0.0
    """What the exploration noise does not fall below."""
    eval_noise: float = 0.0
    """Standard deviation of the noise on actions in evaluation."""
    first_env_decides: bool = True
    """With several environments, choose every action by the first one's samples and return, as the original did
    (card 7.1.9; ledger 3); one environment sees no difference."""

    # optimisation
    model_lr: float = 6e-4
    """Adam's step size for the world model."""
    value_lr: float = 8e-5
    """Adam's step size for the value network."""
    actor_lr: float = 8e-5
    """Adam's step size for the actor."""
    grad_clip: float = 30.0
    """Largest global norm of a gradient; Dreamer and the released CVRL use 100."""
    weight_decay: float = 0.0
    """Share of a weight, times the step size, that an update takes away (ours where not 0)."""
    weight_decay_pattern: str = ".*"
    """Regular expression of the weights that decay."""

    # measurements
    probe: bool = False
    """Measure, on the replay before learning and each 50 gradient steps of the first burst, the model's losses, how
    experts agree and what depth alone tells of the reward (card 9.4 a to c)."""
    log_images: bool = True
    """Show evaluation episodes and, for dreamer, predictions in TensorBoard, as strips of moments."""
    export_episodes: bool = False
    """Also write every episode as the original's <timestamp>-<id>-<length>.npz (card 5.10)."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be honoured."""
        for name in (field.name for field in fields(self) if isinstance(getattr(self, field.name), float)):
            value = getattr(self, name)
            removes = name == "mask_logit" and value == -math.inf
            require(math.isfinite(value) or removes, name, value, "finite" + " or -inf" * (name == "mask_logit"))
        for name in POSITIVE_NUMBERS:
            require(getattr(self, name) > 0, name, getattr(self, name), "positive")
        for name in NATURAL_NUMBERS:
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in SHARES:
            value = getattr(self, name, None)
            require(value is None or 0 <= value <= 1, name, value, "between 0 and 1")
        require(self.batch_length >= 2, "batch_length", self.batch_length, "at least 2")
        require(self.horizon >= 2, "horizon", self.horizon, "at least 2")
        require(self.max_miss_len >= 2, "max_miss_len", self.max_miss_len, "at least 2")
        require(
            self.time_limit % self.action_repeat == 0, "time_limit", self.time_limit,
            f"a multiple of action_repeat ({self.action_repeat})",
        )  # fmt: skip
        require(
            self.episode_length >= self.batch_length, "time_limit", self.time_limit,
            f"at least batch_length times action_repeat ({self.batch_length * self.action_repeat})",
        )  # fmt: skip
        require(self.backgrounds != "", "backgrounds", self.backgrounds, "a folder's path")
        require(self.time_limit <= LONGEST_EPISODE, "time_limit", self.time_limit, f"at most {LONGEST_EPISODE}")
        require(
            self.multi_modal or not self.probe,
            "probe",
            self.probe,
            "off without multi_modal, as it looks at all sensors",
        )
        require(self.prefill > 0, "prefill", self.prefill, "positive: learning needs an episode")
        require(
            self.total_env_steps > self.prefill_env_steps, "total_env_steps", self.total_env_steps,
            f"more than the prefill takes in whole episodes ({self.prefill_env_steps})",
        )  # fmt: skip
        require(
            is_pattern(self.weight_decay_pattern), "weight_decay_pattern", self.weight_decay_pattern,
            "a regular expression",
        )  # fmt: skip

    @property
    def episode_length(self) -> int:
        """Agent steps per episode."""
        return self.time_limit // self.action_repeat

    @property
    def prefill_env_steps(self) -> int:
        """Environment steps that the prefill takes: whole episodes, one in each environment at a time."""
        round_steps = self.time_limit * self.envs
        return math.ceil(self.prefill / round_steps) * round_steps

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the agent senses."""
        return MODALITIES if self.multi_modal else ("image",)

    @property
    def miss_ratios(self) -> dict[str, float]:
        """Sensor -> missing ratio; sensors that the agent does not see have one all the same."""
        own = {name: getattr(self, f"miss_ratio_{name}") for name in MODALITIES}
        return {name: self.miss_ratio if value is None else value for name, value in own.items()}


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True
