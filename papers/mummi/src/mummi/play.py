"""Episodes: who acts, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mummi.agent import Agent, Memory
from mummi.framework import tf
from mummi.rssm import Latent
from mummi.streams import stream

Observations = Sequence[Mapping[str, Any]]
Choose = Callable[[Observations, int], NDArray[Any]]
"""(an observation an environment, agent steps since the reset) -> actions (n, A)."""


class Environments(Protocol):
    """Several environments that step together, as `mummi.envs.workers.Workers` is."""

    def __len__(self) -> int: ...

    def reset(self, numbers: Sequence[int] | None = None) -> list[Any]: ...

    def step(self, actions: NDArray[Any]) -> list[Any]: ...


@dataclass(frozen=True)
class Played:
    """One episode."""

    entries: Mapping[str, NDArray[Any]]
    """Arrays of T + 1 entries (card 4.7)."""
    total: float
    """Undiscounted return."""
    length: int
    """Agent steps."""


def play(environments: Environments, choose: Choose) -> list[Played]:
    """One episode in each environment; all end together, since nothing but the time limit ends one."""
    observations, step = environments.reset(), 0
    while True:
        results = environments.step(choose(observations, step))
        observations, step = [result[0] for result in results], step + 1
        ended = [result[2] for result in results]
        if any(ended) and not all(ended):
            raise RuntimeError(f"an episode ended before its time limit, after {step} agent steps")
        if all(ended):
            return [played(result[3]["episode"]) for result in results]


def played(entries: Mapping[str, NDArray[Any]]) -> Played:
    """An episode's summary; rewards are summed as they are stored."""
    rewards = entries["reward"].astype(np.float64)
    return Played(entries, float(rewards.sum()), len(rewards) - 1)


def at_random(environments: Environments, action_size: int, seed: int, number: int) -> Choose:
    """Uniform actions in [-1, 1], keyed by seed and the number of the round (card 5.11)."""
    generator = stream(seed, "prefill", number)
    return lambda observations, step: generator.uniform(-1.0, 1.0, (len(environments), action_size)).astype(np.float32)


class Script:
    """What the agent did in the episodes of a phase: enough to play them again up to there, and to go on.

    An episode is a function of seed, number and actions, so that actions stand for the state of a simulator.
    """

    def __init__(self) -> None:
        self.episodes: list[list[NDArray[np.float32]]] = []
        """Of each episode, the agent steps' actions, (n, A)."""
        self.memory: Memory | None = None
        """The agent's after the last of them."""

    def save(self, path: Path) -> None:
        """As arrays of one .npz file."""
        arrays = {f"actions_{number}": np.array(actions) for number, actions in enumerate(self.episodes)}
        if self.memory is not None:
            arrays |= {f"latent_{name}": part.numpy() for name, part in self.memory.latent._asdict().items()}
            arrays["action"] = self.memory.action.numpy()
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    def load(self, path: Path) -> None:
        """Read them back."""
        with np.load(path, allow_pickle=False) as arrays:
            count = sum(name.startswith("actions_") for name in arrays)
            self.episodes = [list(arrays[f"actions_{number}"]) for number in range(count)]
            if "action" in arrays:
                latent = Latent(*(tf.constant(arrays[f"latent_{name}"]) for name in Latent._fields))
                self.memory = Memory(latent, tf.constant(arrays["action"]))


def by_agent(
    agent: Agent, rows: int, training: bool, key: Callable[[int], tuple[str, int]],
    before: Callable[[int], None] | None = None, script: Script | None = None, number: int = 0,
) -> Choose:  # fmt: skip
    """The agent's actions in episode `number` of a phase.

    `key`: agent steps -> purpose and number that key the draws; `before` runs before each step. What stands in the
    script is played as it was, and what follows is added to it.
    """
    script = script or Script()
    if number == len(script.episodes):
        script.episodes.append([])
    taken = script.episodes[number]
    memory = script.memory if taken and script.memory is not None else agent.blank(rows)

    def choose(observations: Observations, step: int) -> NDArray[Any]:
        nonlocal memory
        if step < len(taken):
            return taken[step]
        if before is not None:
            before(step)
        purpose, draw = key(step)
        actions, memory = agent.act(observations, memory, np.full(rows, step == 0), training, draw, purpose)
        taken.append(actions)
        script.memory = memory
        return actions

    return choose
