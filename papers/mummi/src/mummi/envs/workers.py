"""Environments that step together: in turn, each on a thread, or each in a process (card 4.2, Async)."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any, Protocol

import gym
from numpy.typing import NDArray

from mirl.signals import stop_signals_held
from mummi.envs.simulator import Observation
from mummi.envs.wrappers import Step

Answer = Callable[[], Any]
"""What was asked of a worker, to be waited for."""


class WorkerError(RuntimeError):
    """A worker process ended, or could not do what it was asked."""


class Worker(Protocol):
    """One environment somewhere."""

    def made(self) -> None:
        """Wait until the environment is there; raises what its making raised."""

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Begin a call of the environment's method."""

    def close(self) -> None:
        """Free the environment."""


class Workers:
    """Several environments of one task; what they do depends on seed and number of the worker only."""

    def __init__(self, make: Callable[..., gym.Env], arguments: Sequence[tuple[Any, ...]], parallel: str) -> None:
        """`make(*arguments[i])` makes worker i. ValueError for another `parallel` than none, thread or process."""
        kinds: dict[str, Callable[..., Worker]] = {"none": Here, "thread": OnThread, "process": InProcess}
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
        return gather([self.workers[number].ask("reset") for number in chosen])

    def step(self, actions: NDArray[Any]) -> list[Step]:
        """Each worker's observation, reward, done and info; a done one waits for reset. `actions`: (workers, size)."""
        return gather([worker.ask("step", action) for worker, action in zip(self.workers, actions, strict=True)])

    def seed(self, seed: int) -> None:
        """Start all anew at episode 0 of that seed."""
        gather([worker.ask("seed", seed) for worker in self.workers])

    def state(self) -> list[dict[str, int]]:
        """Between episodes: what each needs to go on."""
        return gather([worker.ask("state") for worker in self.workers])

    def load_state(self, states: Sequence[dict[str, int]]) -> None:
        """Go on from there."""
        gather([worker.ask("load_state", state) for worker, state in zip(self.workers, states, strict=True)])

    def close(self) -> None:
        """Free all environments, threads and processes."""
        for worker in self.workers:
            worker.close()


def gather(answers: Sequence[Answer]) -> list[Any]:
    """What was asked for, in order; each has been begun before the first is waited for."""
    return [answer() for answer in answers]


class Here:
    """An environment in this thread."""

    def __init__(self, make: Callable[..., gym.Env], *arguments: Any) -> None:
        self.env = make(*arguments)

    def made(self) -> None:
        """It is."""

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Done at once."""
        result = getattr(self.env, method)(*arguments)
        return lambda: result

    def close(self) -> None:
        """Free the environment."""
        self.env.close()


class OnThread:
    """An environment with a thread of its own, which is the one that draws."""

    def __init__(self, make: Callable[..., gym.Env], *arguments: Any) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.env = self.thread.submit(make, *arguments).result()

    def made(self) -> None:
        """It is."""

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Begun on the thread."""
        return self.thread.submit(getattr(self.env, method), *arguments).result

    def close(self) -> None:
        """Free the environment and end the thread."""
        self.thread.submit(self.env.close).result()
        self.thread.shutdown()


class InProcess:
    """An environment in a process of its own, which ends with this one."""

    def __init__(self, make: Callable[..., gym.Env], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the framework's threads and their locks
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, make, arguments), name="mummi-worker", daemon=True)
        with stop_signals_held():
            self.process.start()
        theirs.close()
        self.end = Finalize(self, end, args=(self.connection, self.process), exitpriority=10)

    def made(self) -> None:
        """The first answer tells."""
        self.receive()

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Begun in the process."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # receiving will tell
            self.connection.send((method, arguments))
        return self.receive

    def receive(self) -> Any:
        """The answer. Raises WorkerError, and what the environment refused as it was."""
        try:
            result, error = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(5)
            complaint = f"worker process {self.process.pid} died (exit code {self.process.exitcode})"
            raise WorkerError(f"{complaint}; the same command continues from the last checkpoint") from None
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self.end()


def serve(connection: Connection, make: Callable[..., gym.Env], arguments: tuple[Any, ...]) -> None:
    """What a process does: make the environment, then what it is asked, until the other end closes."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        env, error = attempted(make, arguments)
        connection.send((None, error))
        while env is not None:
            method, given = connection.recv()
            connection.send(attempted(getattr(env, method), given))


def attempted(call: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """A call's result and no error, or none and what went wrong, fit to be sent."""
    try:
        return call(*arguments), None
    except ValueError as error:
        return None, error
    except Exception:
        return None, WorkerError(f"an environment's process failed: {traceback.format_exc()}")


def end(connection: Connection, process: Any) -> None:
    """End a process at once."""
    connection.close()
    process.kill()
    process.join()
