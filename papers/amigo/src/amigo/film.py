"""A film of an episode: the grid, and the goal that the teacher gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amigo.agent import Agent
from amigo.envs.oracle import picture
from amigo.rollout import Actors
from mirl.film import Film, Frame, captioned, held

FRAMES_PER_S = 10
"""Card 6."""
STEPS_DRAWN = 100
"""Whose random numbers are drawn at once."""


def film_episode(film: Film, task: str, actors: Actors, agent: Agent, greedy: bool) -> None:
    """One episode in the only environment: the whole grid, the cells before the agent lit, the goal framed (card 6)."""
    goals = Goals()
    film.write(frames_of(actors, agent, greedy, goals), FRAMES_PER_S)
    played = actors.environments
    success, steps = bool(played.reward[0] > 0), int(played.episode_length[0])
    ended = "solved" if success else "not solved"
    told = (
        f" The magenta frame is the goal that the teacher gives; of {goals.given} the student met {goals.met}."
        if actors.gives_goals
        else ""
    )
    film.tell(
        f"A test episode of {task}, actions {'the most likely ones' if greedy else 'drawn from the policy'}: {ended}"
        f" after {steps} steps, return {float(played.episode_return[0]):.2f}.{told} The lit cells lie before the agent,"
        " which sees the whole grid.",
        f"Film of a red triangle, the agent, moving through the rooms of {task} for {steps} steps"
        f"{', one cell framed in magenta' if actors.gives_goals else ''}; the task is {ended}.",
    )


@dataclass
class Goals:
    """Of one episode."""

    given: int = 0
    met: int = 0


def frames_of(actors: Actors, agent: Agent, greedy: bool, goals: Goals) -> Iterator[Frame]:
    """An episode, from its first picture to its last one, which stays for a while."""
    environments = actors.environments
    number, step = 0, 0
    while True:
        act, give = actors.draws(number, STEPS_DRAWN)
        for draw in range(STEPS_DRAWN):
            goals.met += int(actors.reached[0])
            goals.given += int(actors.needing_goals()[0])
            actors.decide(agent, act[draw], give[draw], greedy)
            yield drawn(actors, step, goals)
            actors.perform(auto_reset=False)
            step += 1
            if environments.done[0]:
                goals.met += int(actors.reached[0])
                yield from held(drawn(actors, step, goals), 1.5, FRAMES_PER_S)
                return
        number += 1


def drawn(actors: Actors, step: int, goals: Goals) -> Frame:
    """The picture of a moment."""
    image = picture(actors.environments, 0, int(actors.goal[0]) if actors.gives_goals else None)
    return captioned(image, f"step {step}" + (f", goals met: {goals.met}" if actors.gives_goals else ""))
