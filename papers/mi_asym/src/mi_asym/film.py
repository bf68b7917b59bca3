"""A film of an episode: on grids with the way walked, the information marked, and whether the agent has seen it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from mi_asym.agents.base import Agent
from mi_asym.envs import GRID_TASKS
from mi_asym.experience import Source
from mi_asym.rollout import Episode, Policy, play
from mirl.film import Film, Frame, captioned, held

FRAMES_PER_S = 8
TOLD, UNTOLD = "has seen where the goal is", "does not know where the goal is"


def film_episode(film: Film, task: str, agent: Agent, environments: Any, source: Source) -> None:
    """The first environment's next episode."""
    frames: list[Frame] = []
    policy = Policy(agent, source)
    draw = Grid(environments) if task in GRID_TASKS else Table(environments)

    def watched(places: Any, active: np.ndarray) -> torch.Tensor:
        if active[0]:
            frames.append(draw.frame())
        return policy(places, active)

    episode = play(environments, watched)[0]
    film.write(shown(frames, draw.frame()), FRAMES_PER_S)
    film.tell(*words(task, episode))


def shown(frames: list[Frame], last: Frame) -> Iterator[Frame]:
    yield from frames
    yield from held(last, 1.5, FRAMES_PER_S)


class Grid:
    """Draws the first of many grids, with the cells visited since the episode's start."""

    def __init__(self, environments: Any) -> None:
        self.environments = environments
        self.way: list[int] = []
        self.told = False

    def frame(self) -> Frame:
        """The present moment; it counts as a step of the way."""
        places = self.environments
        self.way.append(int(places.cell[0]))
        self.told |= bool(places.information[0]) or places.grid.mdp
        return captioned(places.frame(0, self.way), f"step {places.episode_step[0]}: {TOLD if self.told else UNTOLD}")


class Table:
    """Draws the first of many robots."""

    def __init__(self, environments: Any) -> None:
        self.environments = environments

    def frame(self) -> Frame:
        """The present moment."""
        return captioned(self.environments.frame(0), f"step {self.environments.episode_step[0]}")


def words(task: str, episode: Episode) -> tuple[str, str]:
    """Caption, and what stands for the film."""
    ended = "succeeds" if episode.success else "does not succeed"
    caption = f"A test episode of {task}: it {ended}, return {episode.total:.2f} after {episode.length} steps."
    if task not in GRID_TASKS:
        return caption, f"Film of a robot arm above a table in {task} for {episode.length} steps; it {ended}."
    went = "after" if episode.informed else "without"
    return (
        f"{caption} Blue: the agent and its way; yellow, i: where it is told the goal; a number: what ends the episode"
        " there.",
        f"Film of an agent on the grid of {task} for {episode.length} steps; it {ended}, {went} visiting information.",
    )
