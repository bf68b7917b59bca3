"""What a run is built of: environments, the source of its batches, its replay buffer and its agent."""

from __future__ import annotations

from typing import Any

from mi_asym.agents import make_agent
from mi_asym.agents.base import Agent
from mi_asym.config import TrainConfig
from mi_asym.config.fields import SacFields
from mi_asym.envs import GRID_TASKS, make_batch, task_spec
from mi_asym.experience import GridSource, RobotSource, Source
from mi_asym.replay import Replay

Prepared = Any
"""What the stages before have learnt: stages.Prepared, stages.PreparedBelief or, without such stages, None."""


def environments_for(task: str, method: str, config: TrainConfig, seed: int, count: int, purpose: str) -> Any:
    """`count` environments; the fully observed reference sees the state."""
    start = config.start if task == "carflag_2d" else "carry"
    return make_batch(task, count, seed, start=start, mdp=method == "mdp", workers=config.env_workers, purpose=purpose)


def source_for(task: str, method: str, config: TrainConfig, seed: int, device: str, prepared: Prepared) -> Source:
    """How steps are stored and read back, with the frozen features that the method needs."""
    phi = prepared.features.to(device) if prepared else None
    if task in GRID_TASKS:
        return GridSource(task, task_spec(task), method == "mdp", phi, device)
    assert isinstance(config, SacFields)
    return RobotSource(task_spec(task), method == "mdp", phi, config.augmentations, seed, device)


def replay_for(config: TrainConfig, source: Source, device: str) -> Replay:
    """The replay buffer. Rotated copies are drawn, not stored; they count as slots all the same (card 4.5, 5.8)."""
    capacity = config.replay_buffer_size
    if isinstance(config, SacFields):
        capacity //= 1 + config.augmentations
    return Replay(source.columns, capacity, config.sampled_seq_len, device)


def agent_for(task: str, method: str, config: TrainConfig, seed: int, device: str, prepared: Prepared) -> Agent:
    """A new agent."""
    return make_agent(task_spec(task), method, config, seed, device, prepared)
