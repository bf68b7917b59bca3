"""Small stand-ins: environments of known arithmetic, buffers with known trajectories, agents that fit a test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from sami.agent import Agent
from sami.config import CcmConfig, SaCcmConfig, TesacConfig
from sami.replay import TrajectoryBuffer

OBSERVATION, ACTION = 3, 2


class ToyEpisode(NamedTuple):
    slot: int
    total_reward: float
    last_reward: float
    length: int
    success: bool
    skills: str
    context: dict[str, float]


class ToyStep(NamedTuple):
    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    done: np.ndarray
    success: np.ndarray
    terminal_observation: np.ndarray
    finished: tuple[ToyEpisode, ...]


class ToySlots:
    """Slot i's episode k is a counter that starts at 100 i + 10 k and pays its slot's number plus one each step."""

    observation_size, action_size = OBSERVATION, ACTION

    def __init__(self, n_slots: int = 2, horizon: int = 4) -> None:
        self.n_slots, self.horizon = n_slots, horizon
        self.episodes = np.full(n_slots, -1)
        self.steps = np.zeros(n_slots, dtype=int)

    def observation(self) -> np.ndarray:
        start = 100 * np.arange(self.n_slots) + 10 * self.episodes + self.steps
        return np.repeat(start[:, None], OBSERVATION, axis=1).astype(np.float32) / 100

    def reset(self, episode: int | None = None) -> np.ndarray:
        self.episodes = self.episodes + 1 if episode is None else np.full(self.n_slots, episode)
        self.steps[:] = 0
        return self.observation()

    def step(self, actions: np.ndarray) -> ToyStep:
        assert actions.shape == (self.n_slots, ACTION)
        self.steps += 1
        terminal, done = self.observation(), self.steps == self.horizon
        reward = 1.0 + np.arange(self.n_slots)
        finished = tuple(
            ToyEpisode(slot, reward[slot] * self.horizon, reward[slot], self.horizon, False, "", {"mass": 1.0})
            for slot in np.flatnonzero(done)
        )
        self.episodes[done] += 1
        self.steps[done] = 0
        ended = np.zeros(self.n_slots, dtype=bool)
        return ToyStep(self.observation(), reward, ended, done, ended, terminal, finished)

    def state_dict(self) -> dict[str, Any]:
        return {"episodes": self.episodes.tolist(), "steps": self.steps.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.episodes[:], self.steps[:] = state["episodes"], state["steps"]

    def close(self) -> None:
        pass


def small_config(kind: type[TesacConfig] = SaCcmConfig, **values: Any) -> Any:
    """A config whose networks and batches take milliseconds."""
    small = {"total_env_steps": 64, "slots": 2, "horizon": 6, "batch_size": 4, "hidden_sizes": (16, 16),
             "context_hidden_size": 8, "context_size": 3, "train_freq": 8, "gradient_steps": 2, "learning_starts": 4,
             "buffer_size": 5}  # fmt: skip
    contrast = {"contrast_batch_size": 4, "adversarial_loss_coef": 0.1} if issubclass(kind, CcmConfig) else {}
    return kind(**{**small, **contrast, **values})


def small_agent(config: Any, seed: int = 0, action_index: int = 0) -> Agent:
    return Agent(config, OBSERVATION, ACTION, action_index, seed, "cpu")


def filled_buffer(config: Any, lengths: tuple[int, ...] = (6, 4, 5, 6, 3, 6), seed: int = 0) -> TrajectoryBuffer:
    """Trajectories of the given lengths, dealt to the slots in turn, more than fit so that the ring goes round."""
    sizes = config.slots, config.buffer_size, config.horizon, OBSERVATION, ACTION
    buffer = TrajectoryBuffer(*sizes, seed, "cpu", config.full_buffer)
    random = torch.Generator().manual_seed(seed)
    for number, length in enumerate(lengths * 2):
        slot = number % config.slots
        content = [torch.randn(length, size, generator=random) for size in (OBSERVATION, ACTION)]
        rewards = torch.randn(length, generator=random) + 0.1 * number
        buffer.extend(slot, content[0], content[1].clamp(-1, 1), rewards)
        buffer.finish(slot, torch.randn(OBSERVATION, generator=random), terminated=number % 3 == 0)
    steps = torch.randn(2, OBSERVATION, generator=random), torch.rand(2, ACTION, generator=random), torch.ones(2)
    buffer.extend(0, *steps)  # of the next one
    return buffer
