"""Where a run's values come from: the paper's text, the release with its scripts, or the release mended."""

from __future__ import annotations

from typing import Any

from sami.config import CONFIGS, TASKS_OF, TesacConfig
from sami.envs import horizon_of
from sami.settings import task_sets

FIDELITIES = ("paper", "faithful", "fixed")
"""`paper`: the released program with the settings that the paper's text states. `faithful`: with the parser's and the
launch scripts'. `fixed`: `faithful` with every fault mended that has a switch."""
PANDA_BATCH = 252
"""Trajectories; the launch script's 256 does not divide by the six training cells of Table 1 (ledger 13)."""
TASK_VALUES: dict[str, dict[str, Any]] = {
    "ant": {"adversarial_loss_coef": 0.1, "use_weighted_info_nce": True, "evaluation_episodes": 5},
    "panda": {
        "batch_size": PANDA_BATCH, "buffer_size": 1000, "evaluation_episodes": 50,
    },
}  # fmt: skip
"""Task -> values of its launch script that are not the parser's defaults (card 2.1)."""
ENVIRONMENT_VALUES: dict[str, dict[str, Any]] = {"ant": {"rows_beyond_horizon": 2}}
"""Task -> what its environment asks for in every fidelity."""
TEXT_BATCH, TEXT_BUFFER_STEPS, TEXT_ENV_STEPS, TEXT_TEST_EPISODES = 12, 100_000, 1_600_000, 100
TEXT_ALPHA = {"panda": 0.01}
DEFAULT_TEXT_ALPHA = 1.0
"""What the paper's text states (card 2.2); its steps are read as those of all training slots together."""
STEPS_PER_SLOT = {"panda": 1_000_000}
DEFAULT_STEPS_PER_SLOT = 500_000
FIXES: dict[str, Any] = {
    "timeouts": "bootstrap", "first_context": "clean", "full_buffer": "whole", "contrastive_loss": "softmax",
    "contrast_actions": "own", "score": "mean", "masked_rows": "dropped",
}  # fmt: skip
"""Fields that `fixed` sets otherwise than `faithful`; a method takes those that it has."""
ENVIRONMENT_FIXES = ("mask_leg", "vary_damping")
"""Switches that it turns on where they change anything."""


def configure(task: str, method: str, fidelity: str) -> TesacConfig:
    """The paper's values for a task and method, with every default resolved."""
    kind = CONFIGS[method]
    slots, horizon = len(task_sets(task)["training"].tuples), horizon_of(task)
    values: dict[str, Any] = {"total_env_steps": slots * STEPS_PER_SLOT.get(task, DEFAULT_STEPS_PER_SLOT)}
    values |= ENVIRONMENT_VALUES.get(task, {})
    values |= text_values(task, slots, horizon) if fidelity == "paper" else TASK_VALUES.get(task, {})
    if fidelity == "fixed":
        values |= FIXES | {name: True for name in ENVIRONMENT_FIXES if task in TASKS_OF[name]}
    known = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
    return kind(slots=slots, horizon=horizon, **known)


def text_values(task: str, slots: int, horizon: int) -> dict[str, Any]:
    """The settings that the paper's text states (card 2.2), in our units."""
    return {
        "total_env_steps": TEXT_ENV_STEPS,
        "adversarial_loss_coef": TEXT_ALPHA.get(task, DEFAULT_TEXT_ALPHA),
        "batch_size": TEXT_BATCH,
        "batch_slots": "one",
        "buffer_size": max(1, TEXT_BUFFER_STEPS // (slots * horizon)),
        "evaluation_episodes": TEXT_TEST_EPISODES,
    }
