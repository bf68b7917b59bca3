"""An agent, its environments and its buffer, put together as a task and a config ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sami.agent import Agent
from sami.config import TesacConfig, environment_options
from sami.envs import Slots, make_slots, sizes_of
from sami.replay import TrajectoryBuffer


def make_world(task: str, config: TesacConfig, tuples: Sequence[Any], seed: int, horizon: int | None = None) -> Slots:
    """One environment per tuple."""
    options = environment_options(config)
    return make_slots(task, tuples, seed, horizon=horizon or config.horizon, threads=config.threads, **options)


def make_agent(task: str, config: TesacConfig, seed: int, device: str) -> Agent:
    """A new agent for a task."""
    observation_size, action_size = sizes_of(task)
    action_index = 3 if task == "panda" else 0  # after achieved_goal, or first: alphabetical order (card 5.1)
    return Agent(config, observation_size, action_size, action_index, seed, device)


def make_buffer(slots: Slots, config: TesacConfig, seed: int, device: str) -> TrajectoryBuffer:
    """The empty trajectory buffer of a training."""
    sizes = slots.observation_size, slots.action_size
    return TrajectoryBuffer(slots.n_slots, config.buffer_size, slots.horizon, *sizes, seed, device, config.full_buffer)
