"""`evaluate`: a trained run judged from its checkpoint, with pictures; and which settings there are to judge it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from mirl.arithmetic import set_up_torch
from mirl.checkpoint import read_checkpoint
from mirl.config import ConfigError
from mirl.film import Film
from mirl.paper import EvaluateOptions
from mirl.run import Header
from sami.agent import Agent
from sami.assembly import make_agent, make_world
from sami.config import TesacConfig, read_tuples, require_effect, task_set, training_tuples
from sami.files import write_test_files
from sami.pictures import FILMED, PANELS, PANELS_OF_SEVERAL, draw_contexts, draw_heat_maps, film_slots, require_umap
from sami.protocol import FRICTIONS, MASSES, cell_metrics, heat, metrics_of, run_tests, seed_of_tests
from sami.rollout import Player
from sami.settings import SETTINGS as TASK_SETTINGS
from sami.state import load_agent
from sami.streams import derived_seed

SETTINGS = ("all", *TASK_SETTINGS, "grid", "given")
"""`all`: training, moderate and extreme; `grid`: Panda's 20 cells of friction and mass; `given`: --test-envs."""
AT_THE_END = ("training", "moderate", "extreme")


def settings_to_test(task: str, config: TesacConfig) -> dict[str, tuple[Any, ...]]:
    """Setting -> tuples that a training is judged on when it ends; --test-envs are judged as well.

    Settings of another task set than the main one bear its name, as their numbers are other ones (card 3.2).
    """
    known = {"training", *task_set(task, config)}
    asked = [*(setting for setting in AT_THE_END if setting in known), *(["given"] if config.test_envs else [])]
    return {name_of(setting, config): tuples_of(task, config, setting) for setting in asked}


def name_of(setting: str, config: TesacConfig) -> str:
    """As metrics and files call a setting."""
    own = config.task_set == "main" or setting not in TASK_SETTINGS
    return setting if own else f"{config.task_set}_{setting}"


def tuples_of(task: str, config: TesacConfig, setting: str) -> tuple[Any, ...]:
    """The test tuples of a setting; raises ConfigError where the task has none."""
    if setting == "given":
        if not config.test_envs:
            raise ConfigError("--setting given needs --test-envs")
        return read_tuples(task, "test_envs", config.test_envs)
    if setting == "grid":
        if task != "panda":
            raise ConfigError(f"--setting grid is Panda's friction and mass; {task} has no such grid")
        return tuple(product(FRICTIONS, MASSES))
    if setting == "training":
        return training_tuples(task, config)
    found = task_set(task, config)
    if setting not in found:
        raise ConfigError(f"--setting {setting} is not known for {task} (settings: {', '.join(found)})")
    return tuple(found[setting].tuples)


def evaluate(directory: Path, header: Header, config: TesacConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; writes results, contexts and pictures into its folder evaluation/."""
    require_effect(header.task, config)
    set_up_torch(config.threads)
    if "umap" in config.projections:
        require_umap()
    if options.episodes is not None:
        config = replace(config, evaluation_episodes=options.episodes)
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    setting = options.setting or SETTINGS[0]
    all_tuples = (
        settings_to_test(header.task, config)
        if setting == "all"
        else {name_of(setting, config): tuples_of(header.task, config, setting)}
    )
    folder = directory / "evaluation"
    folder.mkdir(exist_ok=True)
    agent = make_agent(header.task, config, header.seed, device)
    read_checkpoint(directory, partial(load_agent, agent))
    metrics: dict[str, float] = {}
    for name, tuples in all_tuples.items():
        results = run_tests(agent, config, header.task, tuples)
        metrics |= metrics_of(results, name)
        write_test_files(folder, name, results)
        draw_contexts(folder / "images", name, tuples, results, config.projections)
        if name == "grid":
            metrics |= cell_metrics(results)
            draw_heat_maps(folder / "images", FRICTIONS, MASSES, heat(results))
    if options.video is not None:
        film_settings(options.video, agent, config, header.task, all_tuples)
    return metrics


def film_settings(
    film: Film, agent: Agent, config: TesacConfig, task: str, settings: Mapping[str, Sequence[Any]]
) -> None:
    """One episode on some tuples of each setting, a row a setting."""
    most = PANELS if len(settings) == 1 else PANELS_OF_SEVERAL
    chosen = {name: spread(tuples, most) for name, tuples in settings.items()}
    slots = make_world(task, config, [one for tuples in chosen.values() for one in tuples], seed_of_tests(config))
    try:
        player = Player(slots, agent, derived_seed(config.evaluation_seed, 0, "test"))
        rows = [(name, len(tuples)) for name, tuples in chosen.items()]
        episodes = iter(film_slots(film, player, rows))
    finally:
        slots.close()
    told = [f"{name} {', '.join(f'{next(episodes).total_reward:.1f}' for _ in range(count))}" for name, count in rows]
    part = "an episode" if len(rows) == 1 else f"the first {min(FILMED, config.horizon)} steps of an episode"
    film.tell(
        f"{task}, {part} on some tuples of each setting, zero-shot, with what was drawn written beneath. Returns of the"
        f" whole episodes: {'; '.join(told)}.",
        f"Film of the robots of {task} in {len(rows)} {'row' if len(rows) == 1 else 'rows'}: {', '.join(chosen)}.",
    )


def spread(tuples: Sequence[Any], most: int) -> list[Any]:
    """So many of them, evenly from the first to the last."""
    if len(tuples) <= most:
        return list(tuples)
    return [tuples[round(number * (len(tuples) - 1) / (most - 1))] for number in range(most)]
