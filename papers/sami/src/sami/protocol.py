"""The test protocol: deterministic episodes on given tuples, zero-shot, and the numbers made of them (card 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sami.agent import Agent
from sami.assembly import make_world
from sami.config import TesacConfig
from sami.envs.skills import episode_skill
from sami.rollout import Player
from sami.streams import derived_seed

FRICTIONS, MASSES = (0.1, 1.0, 5.0, 10.0, 30.0), (1.0, 5.0, 10.0, 30.0)
"""Rows and columns of the paper's Panda grid (card 2, E1)."""
SKILLS = ("push", "roll", "pick_and_place")
MOST_SLOTS = {"panda": 8}
DEFAULT_MOST_SLOTS = 32
"""Test environments at once, about; episodes of a tuple are played side by side."""
RATE_OFFSET = 0.01
"""Added to the number of episodes where skill rates are formed, as released (card 4.5)."""
LEGACY_HORIZONS = {"ant": 1000}
"""Steps after which the original's test loop stopped short of the environment's horizon (card 6)."""


@dataclass(frozen=True)
class TestEpisode:
    """One test episode."""

    __test__ = False  # not a test case, whatever its name
    tuple_number: int
    """Which of the setting's tuples."""
    context: Mapping[str, Any]
    """What was drawn from it: mass, damping, friction, crippled joints."""
    total_reward: float
    partial_reward: float
    """Without the last step's reward, as the original's tables count (ledger 12)."""
    length: int
    success: bool
    skill: str
    """Panda: push, roll or pick_and_place; empty elsewhere."""
    final_embedding: tuple[float, ...]
    """The context at the episode's end."""


def seed_of_tests(config: TesacConfig) -> int:
    """Of the test environments; a training whose seed is the evaluation's played other episodes."""
    return derived_seed(config.evaluation_seed, 0, "test environments")


def run_tests(
    agent: Agent,
    config: TesacConfig,
    task: str,
    tuples: Sequence[Any],
    before_a_round: Callable[[], None] | None = None,
) -> list[TestEpisode]:
    """`config.evaluation_episodes` episodes on every tuple, in the order of tuples; no parameters are changed.

    A tuple's n-th episode is the same for every agent. before_a_round: called now and then, may raise.
    """
    legacy = config.evaluation_protocol == "legacy"
    horizon = min(config.horizon, LEGACY_HORIZONS.get(task, config.horizon)) if legacy else config.horizon
    copies = max(1, min(config.evaluation_episodes, MOST_SLOTS.get(task, DEFAULT_MOST_SLOTS) // len(tuples)))
    rounds = math.ceil(config.evaluation_episodes / copies)
    numbers = [number for number in range(len(tuples)) for _ in range(copies)]
    slots = make_world(task, config, [tuples[number] for number in numbers], seed_of_tests(config), horizon)
    found: list[list[TestEpisode]] = [[] for _ in tuples]
    try:
        for turn in range(rounds):
            if before_a_round:
                before_a_round()
            player = Player(slots, agent, derived_seed(config.evaluation_seed, turn, "test"), episode=turn)
            for number, episode in zip(numbers, play_one_each(player), strict=True):
                counted = episode.partial_reward if legacy else episode.total_reward
                found[number].append(replace(episode, tuple_number=number, total_reward=counted))
    finally:
        slots.close()
    return [episode for episodes in found for episode in episodes[: config.evaluation_episodes]]


def play_one_each(player: Player) -> list[TestEpisode]:
    """The episode that every slot is in, to its end, with the policy's best actions; in order of slots."""
    ended: dict[int, TestEpisode] = {}
    while len(ended) < player.slots.n_slots:
        with torch.no_grad():
            action = player.agent.actor.best_action(player.features)
        for one in player.step(action).played.finished:
            if one.slot not in ended:
                embedding = tuple(player.last_context[one.slot].tolist())
                skill = episode_skill(one.skills) if one.skills else ""
                partial = one.total_reward - one.last_reward
                ended[one.slot] = TestEpisode(
                    0, one.context, one.total_reward, partial, one.length, bool(one.success), skill, embedding
                )
    return [ended[slot] for slot in range(player.slots.n_slots)]


def metrics_of(results: Sequence[TestEpisode], setting: str) -> dict[str, float]:
    """Means over tuples of means over episodes; on Panda also rates of success and of each skill."""
    columns: dict[str, list[float]] = {}
    for number in sorted({one.tuple_number for one in results}):
        for name, value in tuple_metrics([one for one in results if one.tuple_number == number]).items():
            columns.setdefault(name, []).append(value)
    return {f"eval/{name}_{setting}": float(np.mean(values)) for name, values in columns.items()}


def tuple_metrics(episodes: Sequence[TestEpisode]) -> dict[str, float]:
    """What one tuple's episodes gave."""
    metrics = {
        "return": float(np.mean([one.total_reward for one in episodes])),
        "partial_return": float(np.mean([one.partial_reward for one in episodes])),
        "length": float(np.mean([one.length for one in episodes])),
        "success": float(np.mean([one.success for one in episodes])),
    }
    if not episodes[0].skill:
        return metrics
    return metrics | {
        skill: sum(one.skill == skill for one in episodes) / (len(episodes) + RATE_OFFSET) for skill in SKILLS
    }


def cell_metrics(results: Sequence[TestEpisode]) -> dict[str, float]:
    """success, push and pick_and_place of every cell of Panda's grid, named as in the reference table."""
    return {
        f"eval/{name}_friction_{FRICTIONS[row]:g}_mass_{MASSES[column]:g}": float(value)
        for name, table in heat(results).items()
        for (row, column), value in np.ndenumerate(table)
    }


def heat(results: Sequence[TestEpisode]) -> dict[str, np.ndarray]:
    """success, push and pick_and_place by cell, each (frictions, masses)."""
    cells = [[one for one in results if one.tuple_number == number] for number in range(len(FRICTIONS) * len(MASSES))]
    tables = [tuple_metrics(cell) for cell in cells]
    shape = len(FRICTIONS), len(MASSES)
    return {
        name: np.array([table[name] for table in tables]).reshape(shape)
        for name in ("success", "push", "pick_and_place")
    }
