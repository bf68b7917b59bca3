"""What an episode is: its options, its random numbers, what is written down of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sami.settings import TaskTuple

Array = NDArray[np.float64]
Context = dict[str, Any]
"""What was drawn for an episode, such as {"mass": 0.75, "damping": 1.15}."""


@dataclass(frozen=True)
class Options:
    """Choices that hold for every episode of an environment."""

    reward_version: Literal["final", "legacy"] = "final"
    """`final`: the release's last code. `legacy`: rewards before 28 July 2024, which fit Table 6's ants (card 4.3)."""
    legacy_capsule_mass: bool = False
    """Masses and inertias as MuJoCo 2.1.0 computed them: capsule caps of pi r^3 instead of 4/3 pi r^3 (card 4.4)."""
    mask_leg: bool = False
    """Mode 3 of the crippled walker disables the leg that it draws; in the release it is only shrunk (ledger 8)."""
    vary_damping: bool = False
    """Crippled robots scale their damping too, by a factor drawn from the masses' list (ledger 9)."""

    def __post_init__(self) -> None:
        if self.reward_version not in ("final", "legacy"):
            raise ValueError(f"reward_version is final or legacy, got {self.reward_version!r}")


class Episode(NamedTuple):
    """A finished episode."""

    slot: int
    total_reward: float
    """Undiscounted return."""
    last_reward: float
    """Reward of the terminal step, which the release's test protocol leaves out (card 6)."""
    length: int
    """Steps."""
    success: bool
    skills: str
    """Panda: one letter per step (`sami.envs.skills`); empty in MuJoCo."""
    context: Context


class SlotStep(NamedTuple):
    """One step of every slot; arrays are the caller's to keep."""

    observation: NDArray[np.float32]
    """(slots, observation size); where an episode ended, the first one of the next."""
    reward: NDArray[np.float32]
    """(slots,)"""
    terminated: NDArray[np.bool_]
    """(slots,): the task itself ended the episode; never in MuJoCo."""
    done: NDArray[np.bool_]
    """(slots,): terminated, or the horizon is reached."""
    success: NDArray[np.bool_]
    """(slots,)"""
    terminal_observation: NDArray[np.float32]
    """(slots, observation size): what the actions led to; equals `observation` where no episode ended."""
    finished: tuple[Episode, ...]
    """Episodes that ended in this step, in slot order."""


class Slots(Protocol):
    """Environments that step together, each with a task tuple of its own; a finished one starts again by itself."""

    tuples: tuple[TaskTuple, ...]
    observation_size: int
    action_size: int
    horizon: int
    """Steps per episode, at most."""
    action_index: int
    """Where the last action stands among the observation's columns in the encoder's input (card 5.1)."""

    @property
    def n_slots(self) -> int:
        """One per tuple."""

    def reset(self, episode: int | None = None) -> NDArray[np.float32]:
        """The next episode in every slot, or the one of that number; returns (slots, observation size)."""

    def observation(self) -> NDArray[np.float32]:
        """(slots, observation size) of now."""

    def step(self, actions: NDArray[np.float32]) -> SlotStep:
        """`actions`: (slots, action size) in [-1, 1], scaled here to what the robot takes."""

    def context(self, slot: int) -> Context:
        """What was drawn for the episode that a slot is in."""

    def render(self, slot: int, width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3) of a slot as it is now."""

    def state_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists from which another object continues bit for bit."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from there."""

    def close(self) -> None:
        """Let go of simulators and processes."""


def episode_generator(seed: int, episode: int) -> np.random.Generator:
    """The random numbers of an environment's episode: they depend on the two arguments only.

    So a continued run needs the episode's number and no generator state.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, episode]))


def slot_seed(seed: int, slot: int) -> int:
    """The seed of one slot's environment, in [0, 2**63)."""
    key = np.random.SeedSequence([seed, slot, crc32(b"slot")])
    return int(key.generate_state(1, np.uint64)[0] >> np.uint64(1))


def scaled_action(action: NDArray[np.float32], low: Any, high: Any) -> Any:
    """From [-1, 1] to [low, high], in float32 as Stable-Baselines3 does it. Shapes (..., action size)."""
    return low + (np.float32(0.5) * (action + np.float32(1.0)) * (high - low))


def checked_actions(actions: object, shape: Sequence[int]) -> NDArray[np.float32]:
    """Float32 actions of the given shape. ValueError, in one line, for any other shape."""
    given = np.asarray(actions, dtype=np.float32)
    if given.shape != tuple(shape):
        raise ValueError(f"actions have shape {tuple(shape)}, got {given.shape}")
    return given
