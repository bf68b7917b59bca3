"""Small agents and made-up batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mummi.agent import Agent
from mummi.config import Config, configure

ACTION_SIZE, TOUCH_SIZE = 6, 2
SMALL: dict[str, Any] = {
    "batch_size": 3, "batch_length": 5, "deter_size": 12, "stoch_size": 4, "num_units": 16, "cnn_depth": 2,
    "embed_size": 24, "horizon": 4,
}  # fmt: skip


def small_config(method: str, **changes: Any) -> Config:
    return replace(configure("walker_walk", method, "faithful"), **{**SMALL, **changes})


def small_agent(method: str, seed: int = 0, **changes: Any) -> Agent:
    return Agent(small_config(method, **changes), ACTION_SIZE, TOUCH_SIZE, seed)


def made_up_batch(config: Config, seed: int = 0, present: float = 0.7, **flags: float) -> dict[str, np.ndarray]:
    """Random sequences; what is missing is zero. `flags`, such as image=0, fixes the presence of a modality."""
    draw = np.random.default_rng(seed)
    shape = (config.batch_size, config.batch_length)
    batch: dict[str, np.ndarray] = {
        "image": draw.integers(0, 256, (*shape, 64, 64, 3)).astype(np.uint8),
        "depth": draw.uniform(0, 50, (*shape, 64, 64, 1)).astype(np.float16),
        "touch": draw.exponential(20, (*shape, TOUCH_SIZE)).astype(np.float16),
    }
    for name in ("image", "depth", "touch"):
        flag = (draw.random((*shape, 1)) < flags.get(name, present)).astype(np.float16)
        batch[name] = batch[name] * flag.reshape(*shape, *[1] * (batch[name].ndim - 2)).astype(batch[name].dtype)
        batch[f"{name}_flag"] = flag
    batch["action"] = draw.uniform(-1, 1, (*shape, ACTION_SIZE)).astype(np.float16)
    batch["reward"] = draw.random(shape).astype(np.float16)
    batch["discount"] = np.ones(shape, np.float16)
    return batch


def learnt(agent: Agent, batch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: batch[name] for name in agent.learnt}
