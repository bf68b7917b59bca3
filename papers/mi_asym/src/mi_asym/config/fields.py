"""Fields of stage 3: what all methods share, the DQN and SAC families, and what each method adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_asym.config.stages import Checked, require_positive, require_weight
from mirl.config import require

EPISODE = 50
"""Steps of the longest episode; budgets and periods are counted in it (card 2.1)."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
    """What every method of stage 3 has (card 2.4, 2.5, 6.3)."""

    total_env_steps: int
    """Environment steps of training: 50 x (start_training + train_episodes) (card 2.3)."""
    threads: int = 1
    """CPU threads of the tensor library."""
    num_envs: int = 1
    """Environments stepped together; the ratio of updates to steps stays the same. The original has 1 (card 8)."""
    start_training: int = 10
    """Episodes' worth of steps with random actions before learning begins (card 2.4)."""
    updates_per_step: float = 0.25
    """Updates per environment step (card 2.3)."""
    batch_size: int = 64
    """Sequences of a batch; of memoryless agents, transitions (card 2.4)."""
    sampled_seq_len: int = EPISODE
    """Transitions of a sampled sequence at most (card 2.4)."""
    replay_buffer_size: int = 1_000_000
    """Slots of the replay buffer, raised to those of 1,000 episodes where it is smaller (card 2.5, 5.8)."""
    discount: float = 0.99
    """Of rewards per step, in (0, 1] (card 2.5)."""
    tau: float = 0.005
    """Share of the online parameters in each update of the target's (card 2.5)."""
    critic_lr: float = 3e-4
    """Step size of Adam for the critic and all that is trained with it (card 2.5)."""
    hidden_dims: tuple[int, ...] = (256, 256)
    """Units of the hidden layers of value and policy heads (card 2.5)."""
    time_out_ends: bool = True
    """As released, the time limit counts as an end: no bootstrapping behind step 50 (ledger 10)."""
    start: Literal["carry", "uniform"] = "carry"
    """CarFlag: where an episode starts. `carry`: as released, where the last ended; `uniform`: anywhere (ledger 9)."""
    env_workers: int = 0
    """Processes that step robot environments; 0: in the training process."""
    smaller_stages: Literal["no", "workstation", "tiny"] = "no"
    """Caps what goes before training (stages 1 and 2, expert episodes) and auxiliary batches, for budgets below the
    paper's; which caps, stands in `mi_asym.config.tables.CAPS`. Run directories hold the values below the caps."""
    eval_interval: int = 10
    """Episodes' worth of steps between evaluations (card 2.5)."""
    eval_episodes: int = 10
    """Deterministic episodes of an evaluation (card 2.5)."""

    def check(self) -> None:
        for field in ("total_env_steps", "threads", "num_envs", "start_training", "batch_size", "sampled_seq_len",
                      "replay_buffer_size", "eval_interval", "eval_episodes"):  # fmt: skip
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require(self.sampled_seq_len <= EPISODE, "sampled_seq_len", self.sampled_seq_len, f"at most {EPISODE}")
        require(self.env_workers >= 0, "env_workers", self.env_workers, "at least 0")
        require(0 < self.discount <= 1, "discount", self.discount, "in (0, 1]")
        require(0 < self.tau <= 1, "tau", self.tau, "in (0, 1]")
        for field in ("critic_lr", "updates_per_step"):
            require_positive(self, field)
        widths = self.hidden_dims
        require(len(widths) > 0 and min(widths) >= 1, "hidden_dims", list(widths), "one or more positive layer sizes")


@dataclass(frozen=True, kw_only=True)
class MemoryFields(Checked):
    """Methods with a memory (card 2.5, seq)."""

    memory: Literal["gru", "gpt", "mlp"] = "gru"
    """What carries the history: recurrent, transformer, or nothing (`mlp`)."""
    memory_width: int = 128
    """Units of the GRU or of the perceptron; a transformer is as wide as its embeddings (card 2.5)."""
    observation_width: int = 64
    """Width of the observation's embedding (card 2.5)."""
    action_width: int = 64
    """Width of the previous action's embedding (card 2.5)."""
    dropout: float = 0.1
    """Rate of the transformer's dropout; live in acting, targets and intrinsic rewards, off in evaluation
    (ledger 11)."""

    def check(self) -> None:
        for field in ("memory_width", "observation_width", "action_width"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "in [0, 1)")
        if self.memory == "gpt":
            width = self.observation_width + self.action_width
            require(width % 4 == 0, "observation_width", self.observation_width, "a multiple of 4 with --action-width")


@dataclass(frozen=True, kw_only=True)
class SharedPassFields(Checked):
    """Methods of which several terms need the same pass of the online memory."""

    share_passes: bool = True
    """One pass of the online memory for intrinsic reward, argmax and loss. Exact without dropout; with it, one draw
    serves all three, where the released code draws each anew (card 8c)."""


@dataclass(frozen=True, kw_only=True)
class DqnFields(Checked):
    """Exploration of the DQN family (card 5.4)."""

    schedule_end: float = 0.1
    """Share of the training episodes' steps after which exploration has reached its last value (card 2.5)."""
    last_epsilon: float = 0.02
    """Probability of a random action from then on; it falls linearly from 1 (card 2.5)."""

    def check(self) -> None:
        require(0 < self.schedule_end <= 1, "schedule_end", self.schedule_end, "in (0, 1]")
        require(0 <= self.last_epsilon <= 1, "last_epsilon", self.last_epsilon, "in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class SacFields(Checked):
    """Soft actor-critic on the robots (card 2.5, 5.6)."""

    actor_lr: float = 1e-3
    """Step size of Adam for the actor (card 2.5)."""
    temperature_lr: float = 1e-3
    """Step size of Adam for the logarithm of the temperature (card 2.5)."""
    initial_temperature: float = 0.01
    """Temperature before training (card 2.5); its target entropy is minus the number of actions."""
    start_expert_training: int = 80
    """Successful episodes of the scripted expert that are stored before anything else (card 2.3, 6.3)."""
    augmentations: int = 4
    """Rotated copies that stand beside every stored episode (card 2.5, 4.5)."""

    def check(self) -> None:
        for field in ("actor_lr", "temperature_lr", "initial_temperature"):
            require_positive(self, field)
        for field in ("start_expert_training", "augmentations"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")


@dataclass(frozen=True, kw_only=True)
class OursFields(Checked):
    """The paper's method: features, intrinsic reward and auxiliary loss (card 5.5)."""

    aux_batch_size: int = 64
    """Sequences of the reconstructor's own batch (card 2.4)."""
    reconstructor_dims: tuple[int, ...] = (128, 128)
    """Units of the reconstructor's hidden layers (card 2.5)."""
    reconstructor_lr: float = 3e-4
    """Step size of the reconstructor's own Adam (card 2.5)."""
    loss_weight: float = 0.5
    """Weight of the auxiliary loss. The paper's notes say 0.5; the released grid configs say 0 (ledger 2)."""
    reward_weight: float = 10.0
    """Weight of the intrinsic reward (card 2.5)."""
    freeze_psi: bool = False
    """Keep psi as stage 2 left it; as released it is fine-tuned by the RL loss (ledger 16)."""

    def check(self) -> None:
        require(self.aux_batch_size >= 1, "aux_batch_size", self.aux_batch_size, "at least 1")
        require_positive(self, "reconstructor_lr")
        for field in ("loss_weight", "reward_weight"):
            require_weight(self, field)
        widths = self.reconstructor_dims
        require(len(widths) > 0 and min(widths) >= 1, "reconstructor_dims", list(widths), "positive layer sizes")


@dataclass(frozen=True, kw_only=True)
class ZpFields(Checked):
    """Self-predictive latent loss (card 5.7, ZP)."""

    zp_loss_weight: float = 1.0
    """Weight of the latent model's error: 1.0 on grids, 0.1 on robots (card 2.5)."""

    def check(self) -> None:
        require_weight(self, "zp_loss_weight")


@dataclass(frozen=True, kw_only=True)
class AsymmetricFields(Checked):
    """Biased and unbiased asymmetric critics (card 5.7, BA and UA)."""

    state_width: int = 32
    """Width of the state's embedding: 32 for vectors, that of the observation's for images (card 2.5, 5.9)."""
    history_target: Literal["same_target", "state_values"] = "same_target"
    """What the history's values are regressed on, grids. `same_target`: the state values' own scalar target;
    `state_values`: as released, the next step's state values of all actions, without reward, discount or end
    (ledger 3)."""

    def check(self) -> None:
        require(self.state_width >= 1, "state_width", self.state_width, "at least 1")


@dataclass(frozen=True, kw_only=True)
class BelieverFields(Checked):
    """Belief over state features by a conditional variational autoencoder (card 5.7)."""

    aux_batch_size: int = 64
    """Sequences of the autoencoder's own batch (card 2.4)."""
    believer_lr: float = 3e-4
    """Step size of Adam for the autoencoder (card 2.5)."""
    belief_samples: int = 30
    """Decoded samples that the policy sees (card 5.7)."""
    belief_layout: Literal["per_member", "mixed"] = "per_member"
    """`mixed`: as released, training reshapes samples so that batch members trade theirs (ledger 5)."""
    train_belief_policy: bool = True
    """Robots: whether an optimiser holds the layers between belief and heads; as released none does (ledger 6)."""
    features_epochs: int = 100
    """Passes over stage 1's data that learn the state features, our own trainer (ledger 7)."""
    features_lr: float = 1e-3
    """Step size of Adam for the state features (card 7.7)."""
    features_batch_size: int = 128
    """Samples of a batch of the state features' trainer (card 7.7)."""
    features_action: Literal["index", "one_hot"] = "index"
    """How discrete actions enter the state features' trainer: as one number, or `one_hot` (ledger 12)."""
    features_divergence_weight: float = 1.0
    """Weight of the divergence from the standard normal (card 7.7: beta)."""

    def check(self) -> None:
        for field in ("aux_batch_size", "belief_samples", "features_epochs", "features_batch_size"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        for field in ("believer_lr", "features_lr"):
            require_positive(self, field)
        require_weight(self, "features_divergence_weight")


@dataclass(frozen=True, kw_only=True)
class MarkovFields(Checked):
    """Memoryless agents: feature test and fully observed reference (card 5.7)."""

    observation_width: int = 32
    """Width of the state's embedding where no features of stage 2 are used: 32, images 100, robots 64 (card 2.5)."""

    def check(self) -> None:
        require(self.observation_width >= 1, "observation_width", self.observation_width, "at least 1")


@dataclass(frozen=True, kw_only=True)
class ExpertFields(Checked):
    """Imitation beside reinforcement, robots' memoryless agents (card 5.7)."""

    expert_weight: float = 1.0
    """Weight of the behaviour-cloning loss on the expert's samples (card 2.5)."""

    def check(self) -> None:
        require_weight(self, "expert_weight")


@dataclass(frozen=True, kw_only=True)
class ZeroFields(Checked):
    """Which features of stage 2 the memoryless agent sees (card 2.2, zero-on and zero-off)."""

    zero_observation: bool = False
    """Set psi(o) to zero, so that phi(s) must suffice (card 2.5: zero_bottom)."""
