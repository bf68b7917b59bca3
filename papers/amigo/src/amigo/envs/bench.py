"""How fast the environments are, the batched ones beside gym-minigrid."""

from __future__ import annotations

import numpy as np

from amigo.envs import make_batch
from amigo.envs.oracle import make_oracle
from amigo.envs.tasks import NUM_ACTIONS, Task
from mirl.measure import measure

STEPS = 1000
"""Random actions per environment that are timed at once, as many as make several episodes of the shorter tasks."""


def environment_speed(task: str | Task, num_envs: int = 40, seed: int = 0) -> dict[str, float]:
    """Steps per second with random actions made beforehand, resets included, on one thread.

    Keys: batched_steps_per_s, oracle_steps_per_s.
    """
    actions = np.random.default_rng(seed).integers(NUM_ACTIONS, size=(STEPS, num_envs))
    batch = make_batch(task, num_envs, seed)
    oracle = make_oracle(task)
    oracle.seed(seed)
    oracle.reset()

    def step_batch() -> None:
        for row in actions:
            batch.step(row)

    def step_oracle() -> None:
        for action in actions[:, 0]:
            if oracle.step(action)[2]:
                oracle.reset()

    return {
        "batched_steps_per_s": STEPS * num_envs / measure(step_batch),
        "oracle_steps_per_s": STEPS / measure(step_oracle),
    }
