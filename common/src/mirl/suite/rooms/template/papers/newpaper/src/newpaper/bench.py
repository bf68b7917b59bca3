"""How fast it is: acting, updating, both together, beside the plain twins where the repository's tests are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mirl.arithmetic import set_up_torch
from mirl.measure import measure, peak_memory_mib, plain_twins
from newpaper.agent import Agent
from newpaper.config import configure
from newpaper.envs import batch_of, make
from newpaper.objectives import discounted_returns
from newpaper.rollout import Draws, collect, play

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same work, ratio_to_plain."""
    config = configure(task, "reinforce_baseline", "faithful")
    set_up_torch(config.threads)
    agent = Agent(task, config, seed=0)
    number = config.episodes_per_update
    episodes = collect(agent.policy, task, number, 0, 0)
    acting = measure(lambda: collect(agent.policy, task, number, 0, 0))
    updating = measure(lambda: agent.update(episodes))
    return [
        {"name": "acting", "value": episodes.env_steps / acting, "unit": "env_steps/s"},
        {"name": "updates", "value": 1 / updating, "unit": "updates/s"},
        {"name": "end to end", "value": episodes.env_steps / (acting + updating), "unit": "env_steps/s"},
        *beside_plain(task, plain_twins(PROJECT, "rollout", "objectives")),
        {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"},
    ]


def beside_plain(task: str, plain: ModuleType | None) -> list[Row]:
    """Fast and plain, one after the other; none where the tests are not at hand."""
    if plain is None:
        return []
    config = configure(task, "reinforce_baseline", "faithful")
    number = config.episodes_per_update
    policy, batch = Agent(task, config, seed=0).policy, batch_of(task, number)
    draws = Draws.of(0, 0, "bench", number, batch)
    environment, rewards = make(task), play(policy, batch, draws).rewards
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            f"{number} episodes",
            lambda: play(policy, batch, draws),
            lambda: plain.rollout.play(policy, environment, draws),
        ),
        (
            "their returns",
            lambda: discounted_returns(rewards, config.discount),
            lambda: plain.objectives.discounted_returns(rewards, config.discount),
        ),
    ]
    rows = []
    for name, fast, slow in pairs:
        quick, slowly = measure(fast, 0.2), measure(slow, 0.2)
        rows.append({"name": name, "value": quick, "unit": "s", "ratio_to_plain": slowly / quick})
    return rows
