"""The robustness test: ten episodes at each missing ratio, with validation videos (card 2.4, 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mirl.checkpoint import read_checkpoint
from mirl.config import ConfigError
from mirl.paper import EvaluateOptions
from mirl.run import Header, Run
from mummi.agent import Agent
from mummi.config import Config
from mummi.envs import sizes_of
from mummi.files import Episodes, append_results, write_robustness
from mummi.film import film_episodes
from mummi.framework import prepare
from mummi.play import Played, by_agent, play
from mummi.settings import RATIOS, SETTINGS
from mummi.state import load_agent
from mummi.streams import derived_seed
from mummi.worlds import open_test_world, source_of

Test = Callable[[Agent, Header, Config, int, Callable[[], None]], Episodes]
"""(agent, header, config, seed, what is done between agent steps) -> episodes."""


def robustness(
    agent: Agent, header: Header, config: Config, seed: int, between: Callable[[], None] = lambda: None,
    settings: Sequence[str] | None = None,
) -> Episodes:  # fmt: skip
    """Episodes at each missing ratio, the same ratio for every sensor; starts, videos and the agent's
    draws are the same for all."""
    chosen = settings_for(config) if settings is None else settings
    return {setting: at_ratio(agent, header, config, seed, setting, between) for setting in chosen}


def settings_for(config: Config) -> tuple[str, ...]:
    """The missing ratios that a run can be tested at: the first alone where sensors never go missing."""
    return tuple(RATIOS) if config.natural else tuple(RATIOS)[:1]


def at_ratio(
    agent: Agent, header: Header, config: Config, seed: int, setting: str, between: Callable[[], None]
) -> list[Played]:
    episodes = []
    with open_test_world(header.task, derived_seed(seed, "test"), config, RATIOS[setting]) as world:
        for number in range(config.test_episodes):
            purpose = f"test/{number}"
            episodes += play(world, by_agent(agent, 1, False, partial(key_of, purpose), lambda step: between()))
    return episodes


def key_of(purpose: str, time: int) -> tuple[str, int]:
    """What keys the random draws of an agent step."""
    return purpose, time


def metrics_of(episodes: Episodes) -> dict[str, float]:
    """Mean and standard deviation (ddof 0) of returns in each setting, and what share is lost from ratio 0 to 0.1.

    Where the return at ratio 0 is not positive there is no share of it: the loss counts as 1, so that nobody who learnt
    nothing passes for robust.
    """
    metrics: dict[str, float] = {}
    for setting, found in episodes.items():
        returns = [one.total for one in found]
        metrics |= {f"eval/return_{setting}": float(np.mean(returns)), f"eval/sd_{setting}": float(np.std(returns))}
    whole, worst = (metrics.get(f"eval/return_{setting}") for setting in ("ratio_0", "ratio_0.1"))
    if whole is not None and worst is not None:
        metrics["eval/relative_drop"] = (whole - worst) / whole if whole > 0 else 1.0
    return metrics


def write_test(run: Run, env_step: int, episodes: Episodes) -> None:
    """Record a finished training's test: robustness.csv, robustness.png and the suite's tables."""
    run.log(env_step, metrics_of(episodes))
    for setting, found in episodes.items():
        totals, lengths = [one.total for one in found], [one.length for one in found]
        run.log_episodes(env_step, setting, totals, lengths, [np.nan] * len(found))
    write_robustness(run.directory, "robustness", episodes)


def evaluate(directory: Path, header: Header, config: Config, options: EvaluateOptions) -> Mapping[str, float]:
    """Test a trained run at all three ratios, or one: adds to results.jsonl, writes a table and a plot of the setting.

    What the training left, which its manifest holds the sha256 of, stays as it is.
    """
    prepare(config.threads, header.device)
    if options.episodes is not None:
        config = replace(config, test_episodes=options.episodes)
    setting = options.setting or SETTINGS[0]
    chosen = settings_for(config) if setting == SETTINGS[0] else (setting,)
    if setting not in (SETTINGS[0], *settings_for(config)):
        raise ConfigError(f"--setting {setting} needs natural: without it no sensor goes missing")
    agent = Agent(config, *sizes_of(header.task), header.seed)
    env_step = read_checkpoint(directory, partial(load_agent, agent))
    episodes = robustness(agent, header, config, header.seed, settings=chosen)
    append_results(directory, env_step, source_of(config), episodes)
    write_robustness(directory, f"evaluation_{setting}", episodes)
    if options.video is not None:
        film_episodes(options.video, header.task, agent, {setting: found[0] for setting, found in episodes.items()})
    return metrics_of(episodes)
