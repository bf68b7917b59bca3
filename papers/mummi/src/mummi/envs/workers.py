"""Environments that step together: in turn, each on a thread, or each in a process (card 4.2, Async)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gym
from numpy.typing import NDArray

from mirl.workers import Answer, Caller, Here, Worker, gather
from mummi.envs.simulator import Observation
from mummi.envs.wrappers import Step


class Workers:
    """Several environments of one task; what they do depends on seed and number of the worker only."""

    def __init__(self, make: Callable[..., gym.Env], arguments: Sequence[tuple[Any, ...]], parallel: str) -> None:
        """`make(*arguments[i])` makes worker i. ValueError for another `parallel` than none, thread or process."""
        kinds: dict[str, Callable[..., Caller]] = {"none": Here, "thread": OnThread, "process": Worker}
        if parallel not in kinds:
            raise ValueError(f"parallel must be {' or '.join(kinds)}, got {parallel}")
        self.workers = [kinds[parallel](make, *each) for each in arguments]
        try:
            gather([worker.made for worker in self.workers])
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self.workers)

    def reset(self, numbers: Sequence[int] | None = None) -> list[Observation]:
        """The first observation of the next episode of these workers, of all where none are named."""
        chosen = range(len(self)) if numbers is None else numbers
        return gather([self.workers[number].call("reset") for number in chosen])

    def step(self, actions: NDArray[Any]) -> list[Step]:
        """Each worker's observation, reward, done and info; a done one waits for reset. `actions`: (workers, size)."""
        return gather([worker.call("step", action) for worker, action in zip(self.workers, actions, strict=True)])

    def seed(self, seed: int) -> None:
        """Start all anew at episode 0 of that seed."""
        gather([worker.call("seed", seed) for worker in self.workers])

    def state(self) -> list[dict[str, int]]:
        """Between episodes: what each needs to go on."""
        return gather([worker.call("state") for worker in self.workers])

    def load_state(self, states: Sequence[dict[str, int]]) -> None:
        """Go on from there."""
        gather([worker.call("load_state", state) for worker, state in zip(self.workers, states, strict=True)])

    def close(self) -> None:
        """Free all environments, threads and processes."""
        for worker in self.workers:
            worker.close()


class OnThread:
    """An environment with a thread of its own, which is the one that draws."""

    def __init__(self, make: Callable[..., gym.Env], *arguments: Any) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.env = self.thread.submit(make, *arguments).result()

    def made(self) -> None:
        """It is."""

    def call(self, method: str, *arguments: Any) -> Answer:
        """Begun on the thread."""
        return self.thread.submit(getattr(self.env, method), *arguments).result

    def close(self) -> None:
        """Free the environment and end the thread."""
        self.thread.submit(self.env.close).result()
        self.thread.shutdown()
