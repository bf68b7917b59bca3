"""What a task is, as numbers that the learner needs before any environment exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskSpec:
    """One POMDP (card 2.1)."""

    task: str
    """Its id on command lines and in folders."""
    env_id: str
    """Its id in gym's registry."""
    observation_size: int
    """Numbers in a flat observation."""
    state_size: int
    """Numbers in a flat state."""
    num_actions: int
    """Discrete actions, or dimensions of a continuous one in [-1, 1]."""
    continuous: bool
    """Whether actions are vectors."""
    image_shape: tuple[int, int, int] | None
    """(channels, rows, columns) of observation and state, None where they are vectors."""
    has_expert: bool
    """Whether a scripted expert exists: robots only."""
    horizon: int = 50
    """Steps per episode."""
