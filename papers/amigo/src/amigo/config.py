"""What a run is made of: one frozen dataclass per method, with the values of the paper's recipes (card 2.1, 2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from amigo.envs import tasks
from mirl.config import ConfigError, choose, later, require

SUITE_TASKS = (
    "Empty-8x8", "KeyCorridorS3R1", "KeyCorridorS3R2", "KeyCorridorS3R3", "KeyCorridorS4R3", "KeyCorridorS5R3",
    "ObstructedMaze-1Dl", "ObstructedMaze-2Dlhb", "ObstructedMaze-1Q",
)  # fmt: skip
TASKS = (*SUITE_TASKS, *(task for task in tasks.TASKS if task not in SUITE_TASKS))
"""The registered experiments' tasks, then the rest of the three families."""
RewardClipping = Literal["abs_one", "soft_asymmetric", "none"]
TeacherReward = Literal["threshold", "dummy", "gaussian", "linear"]
FIDELITIES = ("paper", "readme", "branch", "fixed")
FRAMES = {
    "Empty-8x8": 600_000, "KeyCorridorS3R1": 10_000_000, "KeyCorridorS3R2": 10_000_000,
    "KeyCorridorS3R3": 30_000_000, "ObstructedMaze-1Dl": 30_000_000,
}  # fmt: skip
"""Frames per task; 6e8 elsewhere. 3e7 and 6e8 are the paper's recipe (errata); 1e8 is the released README's command.
The first three tasks are in no recipe."""
MOST_FRAMES = 600_000_000
ONE_UPDATE = "at least {}, the frames of one update"
EVALUATIONS, LOG_POINTS, LEAST_LOG_PERIOD = 10, 2_000, 4_000


@dataclass(frozen=True)
class ImpalaConfig:
    """IMPALA alone: the student without a goal and without an intrinsic reward, the floor (card 5.2-5.4)."""

    total_env_steps: int
    """Frames of training, over all actors; the original's total_frames (card 2.1)."""
    threads: int = 1
    """CPU threads of the tensor library."""
    num_actors: int = 40
    """Environments that act in lock-step (card 2.1). The first learner batch of a round is no update behind, the last
    (num_actors - 1) // batch_size: the policy lag. Columns that fill no batch wait, and are a round's updates more
    behind in the next one."""
    actor_groups: int = later(1)
    """Groups of equal size that actors act in, a forward pass each: while a GPU decides for one, the CPU steps another.
    What is drawn and how far behind a batch is are those of one group; passes of fewer rows may round otherwise."""
    batch_size: int = 8
    """B: unrolls per student update (card 2.2)."""
    unroll_length: int = 100
    """T: steps per unroll (card 2.2)."""
    discounting: float = 0.99
    """Discount per step, in [0, 1] (card 2.2)."""
    entropy_cost: float = 0.0005
    """Weight of the student's entropy (card 2.2)."""
    baseline_cost: float = 0.5
    """Weight of the value losses, beside the factor one half of the squared error (card 5.4)."""
    learning_rate: float = 0.001
    """Of the student, falling linearly to 0 over the run (card 5.4)."""
    alpha: float = 0.99
    """Decay of RMSprop's mean of squares, in [0, 1) (card 2.2)."""
    momentum: float = 0.0
    """Of RMSprop, in [0, 1) (card 2.2)."""
    epsilon: float = 0.01
    """Added outside RMSprop's square root (card 5.4)."""
    grad_norm: float = 40.0
    """Each network's gradient is scaled down to this norm (card 5.4)."""
    state_embedding_dim: int = 256
    """Units of the student's two layers and of its LSTM (card 5.2)."""
    use_lstm: bool = False
    """An LSTM between layers and heads (card 5.2)."""
    num_lstm_layers: int = 1
    """Of that LSTM (card 2.2)."""
    reward_clipping: RewardClipping = "abs_one"
    """How extrinsic plus intrinsic reward is clipped; soft_asymmetric: 5 tanh(r / 5), 0.3 of it below 0 (card 10)."""
    no_extrinsic_rewards: bool = False
    """Leave the extrinsic reward out of the student's and the override of it out of the teacher's (card 7.3)."""
    success_bonus: Literal["always", "with_extrinsic"] = "always"
    """`always`: as released, +1 where r^e > 0 even with no_extrinsic_rewards (ledger 3). `with_extrinsic`: not then."""
    fix_seed: bool = False
    """One layout, of env_seed, in every episode (card 2.2)."""
    env_seed: int = 1
    """Seed of the layout with fix_seed (card 2.2)."""
    overlap: bool = True
    """Unrolls share one slot, so that every transition is trained on; without it, as in the fork, every 101st is not
    (ledger 6)."""
    lstm_start: Literal["stored", "zeros"] = "stored"
    """The LSTM's state where the learner begins an unroll: the actor's, or, as in the fork, zeros (ledger 6)."""
    student_schedule: Literal["ahead", "behind"] = "ahead"
    """`ahead`: as released, the rate falls before each update, the first included (ledger 9). `behind`: after it. The
    teacher's rate as well."""
    evaluation_episodes: int = 512
    """Episodes of the test protocol, fresh layouts (card 3.1)."""
    evaluation_every: int = 0
    """Frames between tests while training, of a quarter as many episodes; 0: at the end alone."""
    evaluation_seed: int = 1
    """Seed of the test's layouts and draws."""
    log_every: int = LEAST_LOG_PERIOD
    """Frames between rows of metrics.csv, which are means since the row before; logs.csv has a row an update."""

    def __post_init__(self) -> None:
        for field in ("total_env_steps", "threads", "num_actors", "actor_groups", "batch_size", "unroll_length",
                      "state_embedding_dim", "num_lstm_layers", "evaluation_episodes", "log_every"):  # fmt: skip
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        fits = self.num_actors % self.actor_groups == 0
        require(fits, "actor_groups", self.actor_groups, f"a divisor of num_actors, {self.num_actors}")
        least = least_frames(self.batch_size, self.unroll_length, self.overlap)
        require(self.total_env_steps >= least, "total_env_steps", self.total_env_steps, ONE_UPDATE.format(least))
        for field in ("evaluation_every", "evaluation_seed", "env_seed"):
            require(getattr(self, field) >= 0, field, getattr(self, field), "at least 0")
        for field in ("learning_rate", "epsilon", "grad_norm"):
            require_positive(self, field)
        for field in ("entropy_cost", "baseline_cost"):
            require_finite(self, field, 0.0)
        require(0 <= self.discounting <= 1, "discounting", self.discounting, "in [0, 1]")
        for field in ("alpha", "momentum"):
            require(0 <= getattr(self, field) < 1, field, getattr(self, field), "in [0, 1)")

    @property
    def frames_per_update(self) -> int:
        """Frames that an update counts for: T times B."""
        return self.unroll_length * self.batch_size


@dataclass(frozen=True)
class TeacherConfig(ImpalaConfig):
    """A teacher names goals, the student is paid for meeting them (card 5.1-5.5)."""

    modify: bool = True
    """A goal is met when its cell changes; otherwise when the agent stands on it (card 4.4). On in every recipe."""
    intrinsic_reward_coef: float = 1.0
    """c, weight of the student's reward for a goal (card 5.4)."""
    restart_episode: bool = False
    """A new episode begins where a goal is met (card 4.4)."""
    no_boundary_awareness: bool = False
    """Where an episode ends no goal counts as met, though a new layout may differ at its cell (card 4.4)."""
    generator_batch_size: int = 150
    """N: goals per teacher update (card 2.1)."""
    generator_learning_rate: float = 0.002
    """Of the teacher (card 2.2)."""
    generator_entropy_cost: float = 0.05
    """Weight of the teacher's entropy (card 2.2)."""
    generator_reward_negative: float = -0.3
    """-beta, added to every teacher reward (card 2.1)."""
    generator_threshold: float = -0.5
    """Mean teacher reward of a batch that counts as success for t* (card 2.1). At -0.5 with a -beta of -0.3 every batch
    succeeds, and t* climbs whatever happens (ledger 4)."""
    generator_counts: int = 10
    """Successes per step of t* (card 2.2)."""
    novelty: bool = False
    """Pay the teacher for goals whose cell holds a thing (card 5.8). t* moves by the mean without it (card 10)."""
    novelty_bonus: float = 0.1
    """That payment (card 5.8)."""
    teacher_frame: Literal["initial", "current"] = "initial"
    """Frame that the teacher learns from: the one on which it gave the goal, or, as in the fork, the one on which the
    goal ended, unless the pool is empty (ledger 5)."""
    learner_goal: Literal["slot", "acted"] = "slot"
    """`slot`: as released, where the goal changes the learner evaluates the old one though the student acted on the new
    (ledger 9). `acted`: the goal acted on."""
    done_and_reached: Literal["twice", "once"] = "twice"
    """`twice`: as released, a goal met where an episode ends enters the teacher's pool as failure and as success
    (ledger 9). `once`: as success alone."""
    goal_layout: Literal["transposed", "aligned"] = "transposed"
    """`transposed`: as released, the teacher's logit at position (k // W, k % W) names the cell (k // H, k % H)
    (ledger 9). `aligned`: a position names its own cell."""
    teacher_schedule: Literal["updates", "frames"] = "updates"
    """`updates`: as released, the teacher's rate falls by its own few updates and hardly at all (ledger 9). `frames`:
    with the run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("generator_batch_size", "generator_counts"):
            require(getattr(self, field) >= 1, field, getattr(self, field), "at least 1")
        require_positive(self, "generator_learning_rate")
        for field in ("generator_entropy_cost", "intrinsic_reward_coef"):
            require_finite(self, field, 0.0)
        for field in ("generator_reward_negative", "generator_threshold", "novelty_bonus"):
            require_finite(self, field, -math.inf)


@dataclass(frozen=True)
class AmigoConfig(TeacherConfig):
    """AMIGo: the teacher is paid for goals that take at least t* steps, and t* climbs (card 5.5)."""

    generator_maximum: int = 100
    """t* climbs until it is above this, in steps (card 2.2)."""
    generator_loss_form: TeacherReward = "threshold"
    """What the teacher is paid for: goals that take at least t* steps; at least generator_target (dummy); close to
    generator_target (gaussian, linear) (card 5.8)."""
    generator_target: float = 5.0
    """tau of the other forms, in steps (card 5.8)."""
    target_variance: float = 15.0
    """Standard deviation of the gaussian form, in steps, whatever its name says (card 5.8)."""
    generator_reward_coef: float = 1.0
    """Weight of the gaussian form (card 5.8)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.generator_maximum >= 1, "generator_maximum", self.generator_maximum, "at least 1")
        for field in ("generator_target", "target_variance"):
            require_positive(self, field)
        require_finite(self, "generator_reward_coef", -math.inf)


@dataclass(frozen=True)
class AmigoAdaptiveConfig(TeacherConfig):
    """The fork's AMIGo with a window around t*, which moves both ways (card 5.6)."""

    window: float = 50.0
    """Half width of the window, in steps (card 2.2)."""
    first_target: int = 7
    """t* at the start, in steps (card 5.6)."""
    window_reward: Literal["any", "reached"] = "any"
    """`any`: as released, an episode that ends inside the window pays for a goal that was never met (ledger 7).
    `reached`: a goal must be met."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite(self, "window", 0.0)
        require(self.first_target >= 1, "first_target", self.first_target, "at least 1")


@dataclass(frozen=True)
class AmigoNoveltyConfig(AmigoConfig):
    """The fork's student with a bonus for new states and, unless trains_teacher, no goals (card 5.7).

    What concerns goals and the teacher has an effect with trains_teacher alone.
    """

    trains_teacher: bool = False
    """The older branch's form: the student has goals and a teacher, and the bonus instead of the goal's reward."""
    novelty_coefficient: float = 0.1
    """Weight of the bonus (card 5.7)."""
    novelty_loss_cost: float = 1.0
    """Weight of the predictor's loss; 0.1 in the branch (card 5.7)."""
    novelty_learning_rate: float = 0.001
    """Of the predictor, constant (card 5.7)."""
    novelty_gradients: Literal["fresh", "accumulated"] = "fresh"
    """`accumulated`: as released, the predictor's gradients are never zeroed (ledger 8). `fresh`: zeroed each time."""
    first_frame_counts_in: Literal["old", "new"] = "old"
    """`old`: as released, an episode's first frame is looked up among those of the episode before (ledger 8)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "novelty_learning_rate")
        for field in ("novelty_coefficient", "novelty_loss_cost"):
            require_finite(self, field, 0.0)


CONFIGS: dict[str, type[ImpalaConfig]] = {
    "amigo": AmigoConfig,
    "amigo_adaptive": AmigoAdaptiveConfig,
    "amigo_novelty": AmigoNoveltyConfig,
    "impala": ImpalaConfig,
}
FORK: dict[str, Any] = {"overlap": False, "lstm_start": "zeros"}
STUDENT_FIXES = {"success_bonus": "with_extrinsic", "student_schedule": "behind"}
TEACHER_FIXES = {
    "learner_goal": "acted",
    "done_and_reached": "once",
    "goal_layout": "aligned",
    "teacher_schedule": "frames",
    "generator_threshold": -0.1,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {},
    "readme": {
        "impala": FORK,
        "amigo": FORK | {"teacher_frame": "current", "generator_threshold": -0.1},
        "amigo_adaptive": FORK | {"teacher_frame": "current"},
        "amigo_novelty": FORK | {"novelty_gradients": "accumulated"},
    },
    "branch": {
        "amigo_adaptive": {"window": 100.0, "first_target": 100, "window_reward": "reached"},
        "amigo_novelty": {"trains_teacher": True, "novelty_loss_cost": 0.1},
    },
    "fixed": {
        "impala": STUDENT_FIXES,
        "amigo": STUDENT_FIXES | TEACHER_FIXES,
        "amigo_adaptive": STUDENT_FIXES | TEACHER_FIXES | {"window_reward": "reached"},
        "amigo_novelty": STUDENT_FIXES | TEACHER_FIXES | {"first_frame_counts_in": "new"},
    },
}
"""Fidelity -> method -> fields that it sets otherwise than `paper`, the defaults above."""


def configure(task: str, method: str, fidelity: str) -> ImpalaConfig:
    """The recipes' values for a task and method, with every default resolved."""
    frames = FRAMES.get(choose("task", task, TASKS), MOST_FRAMES)
    values = dict(PRESETS[fidelity].get(method, {}))
    if method == "amigo_novelty":
        values["num_actors"] = 10  # card 2.1
    return with_length(CONFIGS[method](total_env_steps=frames, **values), frames)


def with_length(config: ImpalaConfig, frames: int) -> ImpalaConfig:
    """The same config for a run of so many frames: tests and log rows keep their number."""
    return replace(config, **lengths(frames))


def lengths(frames: int) -> dict[str, Any]:
    """The fields that follow a run's length."""
    log_every = max(LEAST_LOG_PERIOD, frames // LOG_POINTS)
    return {"total_env_steps": frames, "evaluation_every": frames // EVALUATIONS, "log_every": log_every}


def least_frames(batch_size: int, unroll_length: int, overlap: bool) -> int:
    """Frames that one update's unrolls take; a shorter run may end before it has learnt anything."""
    return batch_size * (unroll_length + (not overlap))


def require_positive(config: ImpalaConfig, field: str) -> None:
    """Raises ConfigError unless the field is a positive, finite number."""
    value = getattr(config, field)
    require(0 < value < math.inf, field, value, "positive and finite" if value == math.inf else "positive")


def require_finite(config: ImpalaConfig, field: str, least: float) -> None:
    """Raises ConfigError unless the field is a finite number of at least `least`."""
    value = getattr(config, field)
    if not (least <= value < math.inf and value > -math.inf):
        limits = "finite" if least == -math.inf else f"at least {least:g} and finite"
        raise ConfigError(f"--{field.replace('_', '-')} must be {limits}, got {value}")
