"""Random episodes of the gridworlds, many at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from mi_asym.collect.data import Data
from mi_asym.envs import HORIZON, GridBatch, make_batch
from mi_asym.envs.draws import episode_generator, stream_key

ENVIRONMENTS = 32
"""That play at once: episode e is the (e // 32)-th of environment e % 32, so the data do not depend on the machine."""


def collect_grid_episodes(
    task: str, seed: int, episodes: int, start: str = "carry", report: Callable[[int, int], None] = lambda d, t: None
) -> Data:
    """`episodes` episodes of uniformly random actions."""
    batch: GridBatch = make_batch(task, ENVIRONMENTS, seed, start=start, purpose="collect")
    key, tables = stream_key(seed, "collect actions"), batch.tables
    rounds = []
    for number in range(-(-episodes // ENVIRONMENTS)):
        choices = episode_generator(key, 0, number).integers(batch.spec.num_actions, size=(HORIZON, ENVIRONMENTS))
        rounds.append(play_round(batch, choices))
        report(min(episodes, (number + 1) * ENVIRONMENTS), episodes)
    seen, state, action, mask, reward = (np.concatenate(parts)[:episodes] for parts in zip(*rounds, strict=True))
    present = mask[..., None]
    return Data(
        obss=torch.from_numpy(tables.all_observations[seen] * present),
        states=torch.from_numpy(tables.all_states[state] * present),
        actions=torch.from_numpy(action),
        masks=torch.from_numpy(mask),
        rewards=torch.from_numpy(reward),
    )


def play_round(batch: GridBatch, choices: np.ndarray) -> tuple[np.ndarray, ...]:
    """One episode of each environment; `choices` is (50, K).

    Returns observation index and state index, int64, then action, mask and reward, float32: all (K, 50), zero after
    the end of each episode.
    """
    seen, state = np.zeros((2, batch.num_envs, HORIZON), np.int64)
    action, mask, reward = np.zeros((3, batch.num_envs, HORIZON), np.float32)
    batch.reset()
    active = np.ones(batch.num_envs, bool)
    for time in range(HORIZON):
        seen[:, time], state[:, time] = batch.observation_index * active, batch.state_index * active
        action[:, time], mask[:, time] = choices[time] * active, active
        outcome = batch.step(choices[time], active)
        reward[:, time] = outcome.reward
        active = active & ~outcome.done
    return seen, state, action, mask, reward
