"""The test protocol: fresh layouts, goals from the teacher, actions drawn or the most likely ones (card 3.1, 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from amigo.agent import Agent
from amigo.config import ImpalaConfig, TeacherConfig
from amigo.rollout import Actors
from amigo.state import TrainState
from amigo.weights import read_weights
from mirl.arithmetic import set_up_torch
from mirl.checkpoint import load_checkpoint
from mirl.commands.options import Flags, positive_number, print_table
from mirl.config import choose
from mirl.film import Film
from mirl.paper import EvaluateOptions
from mirl.run import Header

SETTINGS = ("sampled", "greedy")
"""Actions drawn from the policy, as in the released results, or its most likely ones."""
MOST_ENVIRONMENTS = 128
DRAWN_AT_ONCE = 100


class Episode(NamedTuple):
    """How an episode went."""

    total: float
    """Undiscounted extrinsic return."""
    length: int
    success: bool


@dataclass(frozen=True)
class Test:
    """How many episodes, of which setting, in how many environments at once."""

    __test__ = False  # not a test case, whatever its name
    episodes: int
    greedy: bool = False

    @property
    def environments(self) -> int:
        return min(self.episodes, MOST_ENVIRONMENTS)


def play(agent: Agent, task: str, config: ImpalaConfig, test: Test) -> list[Episode]:
    """The first episodes of every environment, as many in each, so that short ones are not preferred."""
    actors = Actors(task, as_tested(config), config.evaluation_seed, test.environments, "evaluation")
    quotas = np.full(test.environments, test.episodes // test.environments)
    quotas[: test.episodes % test.environments] += 1
    played: list[list[Episode]] = [[] for _ in quotas]
    number = 0
    while any(len(episodes) < quota for episodes, quota in zip(played, quotas, strict=True)):
        act, give = actors.draws(number, DRAWN_AT_ONCE)
        for step in range(DRAWN_AT_ONCE):
            actors.step(agent, act[step], give[step], test.greedy)
            shown = actors.environments
            for where in np.flatnonzero(shown.done):
                if len(played[where]) < quotas[where]:
                    total, length = float(shown.episode_return[where]), int(shown.episode_length[where])
                    played[where].append(Episode(total, length, bool(shown.reward[where] > 0)))
        number += 1
    return [episode for episodes in played for episode in episodes]


def as_tested(config: ImpalaConfig) -> ImpalaConfig:
    """Tests play every episode to its end, whatever goals are met on the way (card 6)."""
    return replace(config, restart_episode=False) if isinstance(config, TeacherConfig) else config


def metrics_of(episodes: list[Episode]) -> dict[str, float]:
    """Means over episodes."""
    totals, lengths, successes = zip(*episodes, strict=True)
    return {
        "eval/return": float(np.mean(totals)),
        "eval/success": float(np.mean(successes)),
        "eval/length": float(np.mean(lengths)),
        "eval/return_sd": float(np.std(totals)),
    }


def evaluate(directory: Path, header: Header, config: ImpalaConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; with a film of one episode more if that is asked for."""
    set_up_torch(config.threads)
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    agent = Agent(header.task, config, header.seed, device)
    load_checkpoint(directory, TrainState(agent))
    return judge(agent, header.task, options)


def judge(agent: Agent, task: str, options: EvaluateOptions) -> Mapping[str, float]:
    """The test protocol's metrics."""
    config = agent.config
    test = Test(options.episodes or config.evaluation_episodes, options.setting == "greedy")
    if options.video is not None:
        from amigo.film import film_episode  # with gym, which a test without a film has no use for

        actors = Actors(task, as_tested(config), config.evaluation_seed, 1, "film")
        film_episode(options.video, task, actors, agent, test.greedy)
    return metrics_of(play(agent, task, config, test))


def play_weights(words: Sequence[str]) -> int:
    """the test protocol with a model.tar alone, of the original's or of ours

    It needs no run's folder: task, method and what decides how they play are read from the file.
    """
    parser = Flags("python -m amigo weights", play_weights.__doc__ or "")
    parser.add_argument("--weight-path", "--weight_path", type=Path, required=True, metavar="FILE", help="a model.tar")
    parser.add_argument("--episodes", type=positive_number, metavar="N", help="test episodes, 512 unless given")
    parser.add_argument("--setting", default=SETTINGS[0], metavar="NAME", help=", ".join(SETTINGS))
    parser.add_argument("--video", type=Path, metavar="OUT.mp4", help="film one episode more; .mp4 or .webm")
    options = parser.parse_all(words)
    setting = choose("setting", options.setting, SETTINGS)
    video = Film(options.video) if options.video else None
    weights = read_weights(options.weight_path)
    agent = weights.agent()
    set_up_torch(agent.config.threads)
    if video is not None:
        video.path.parent.mkdir(parents=True, exist_ok=True)
    metrics = judge(agent, weights.task, EvaluateOptions(options.episodes, setting, video))
    print_table([("metric", "value"), *((name, f"{value:.6g}") for name, value in metrics.items())])
    return 0
