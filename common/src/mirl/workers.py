"""Objects in processes of their own: environments that a simulator or the interpreter lock keeps apart.

A worker is spawned, since a fork would share files, signals and the locks of threads. Stop signals are held from it: a
run ends at its next checkpoint, for which it needs its workers. It ends with its `close`, with this process, and when
this process is killed, even in the middle of a call; so it must hold nothing that could be lost.

joblib's loky (1.6.0 was tried) hands jobs to whichever process is free, where ours hold environments; a stop signal to
the group ends its workers and with them the run; they outlive a parent that is killed; and of one that dies its error
gives an exit code, but neither number nor job.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.util import Finalize
from typing import Any, Protocol, TypeVar

from mirl.config import ConfigError
from mirl.signals import stop_signals_held

Job = TypeVar("Job")
Answer = Callable[[], Any]
"""Waits for what a call gives, and raises what went wrong in it. To be asked once."""
Outcome = tuple[Any, Exception | None]
"""A result and no error, or none and what went wrong."""
AS_THEY_ARE = (ConfigError, ValueError, OSError, MemoryError)
"""Errors of a worker that the caller gets as they are; all others become a WorkerError."""
NOBODY_THERE = (EOFError, BrokenPipeError, ConnectionResetError)
"""How a pipe says that its other end is closed."""
PATIENCE_S = 5.0
"""A worker that has closed its pipe is ending; its exit code is waited for this long."""


class WorkerError(RuntimeError):
    """A worker could not do what it was asked. The first line says what and why; its traceback follows."""


class WorkerDiedError(WorkerError):
    """A worker has ended: killed by hand or for its memory, or by a fault of what it runs. One line."""


class Caller(Protocol):
    """An object somewhere, whose methods are called from here."""

    def made(self) -> None:
        """Wait until the object is there."""

    def call(self, method: str, *arguments: Any) -> Answer:
        """Begin a call."""

    def close(self) -> None:
        """Free the object and what it lives in."""


class Here:
    """The object in this process and thread; it has a method `close`."""

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self.held = make(*arguments)

    def made(self) -> None:
        """It is."""

    def call(self, method: str, *arguments: Any) -> Answer:
        """Done at once, and what goes wrong is raised at once."""
        result = getattr(self.held, method)(*arguments)
        return lambda: result

    def close(self) -> None:
        """Free the object."""
        self.held.close()


class Worker:
    """The object that `make(*arguments)` gives, in a process of its own; what is sent either way is pickled.

    Calls are done in the order in which they are begun; their answers may be waited for in any.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        """Begins to make the object. Where that fails, `made` raises it, and so does every call."""
        recipe = dumped((make, arguments))
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), name="mirl-worker", daemon=True)
        with stop_signals_held():
            self.process.start()
        theirs.close()
        self.ending = Finalize(self, end, args=(self.connection, self.process), exitpriority=10)
        self.begun = self.received = 0
        self.unread: dict[int, Outcome] = {}
        self.send(recipe)

    def made(self) -> None:
        """Wait until the object is there."""
        self.begin("start", None)()

    def call(self, method: str, *arguments: Any) -> Answer:
        """Begin a call of the object's method."""
        return self.begin(method, (method, arguments))

    def begin(self, task: str, request: tuple[str, tuple[Any, ...]] | None) -> Answer:
        """Begin a call, or ask whether the object is made; `task` is what messages call it: "play drawer-close"."""
        if not self.ending.still_active():
            raise WorkerError(f"a worker that was ended cannot {task}")
        self.send(dumped(request))
        self.begun += 1
        number = self.begun
        return lambda: self.answer(number, task)

    def send(self, content: bytes) -> None:
        with contextlib.suppress(*NOBODY_THERE):  # whoever waits for the answer is told
            self.connection.send_bytes(content)

    def answer(self, number: int, task: str) -> Any:
        """What the call of that number gave. Raises WorkerDiedError, WorkerError, and errors of AS_THEY_ARE."""
        while self.received < number:
            try:
                content = self.connection.recv_bytes()
            except NOBODY_THERE:
                raise WorkerDiedError(self.obituary(task)) from None
            self.received += 1
            self.unread[self.received] = pickle.loads(content)
        result, error = self.unread.pop(number)
        if isinstance(error, WorkerError):
            raise WorkerError(f"worker process {self.process.pid} could not {task}: {error}")
        if error is not None:
            raise error
        return result

    def obituary(self, task: str) -> str:
        """That the process has ended, and how. Nothing of it is left, no zombie either."""
        self.process.join(PATIENCE_S)
        self.process.kill()  # it has closed its pipe, and yet it hangs
        self.process.join()
        return f"worker process {self.process.pid} died (exit code {self.process.exitcode}) while it was to {task}"

    def close(self) -> None:
        """End the process at once."""
        self.ending()


class Workers:
    """Workers that hold the same: whoever is free takes the next job, so results must not depend on who did."""

    def __init__(self, number: int, make: Callable[..., Any], *arguments: Any) -> None:
        self.workers = [Worker(make, *arguments) for _ in range(number)]

    def map(self, method: str, jobs: Sequence[Job], named: Callable[[Job], str]) -> list[Any]:
        """What the object's method gives for each job, in the order of jobs; messages call a job what `named` does.

        Raises what `Worker.answer` does. After an error or an interrupt no worker is left.
        """
        waiting = deque(enumerate(jobs))
        playing: dict[Connection, tuple[Worker, int, Answer]] = {}
        results: dict[int, Any] = {}

        def hand_out(worker: Worker) -> None:
            if waiting:
                number, job = waiting.popleft()
                answer = worker.begin(f"{method} {named(job)}", (method, (job,)))
                playing[worker.connection] = worker, number, answer

        try:
            for worker in self.workers:
                hand_out(worker)
            while playing:
                ready = wait(list(playing))
                for connection in [each for each in playing if each in ready]:
                    worker, number, answer = playing.pop(connection)
                    results[number] = answer()
                    hand_out(worker)
        except BaseException:
            self.close()
            raise
        return [results[number] for number in range(len(jobs))]

    def close(self) -> None:
        """End them at once."""
        for worker in self.workers:
            worker.close()


def gather(answers: Sequence[Answer]) -> list[Any]:
    """What was asked for, in order; each has been begun before the first is waited for."""
    return [answer() for answer in answers]


def dumped(content: object) -> bytes:
    """A message; protocol 5 copies arrays once."""
    return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)


def serve(connection: Connection) -> None:
    """What a worker does: make the object, then what it is asked, until the other end closes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with contextlib.suppress(*NOBODY_THERE):
        recipe = connection.recv_bytes()
        held, fault = attempted(make, recipe)
        while True:
            request = connection.recv_bytes()
            connection.send_bytes(reply(attempted(ask, held, request) if fault is None else (None, fault)))


def make(recipe: bytes) -> Any:
    """The object that the first message describes."""
    maker, arguments = pickle.loads(recipe)
    return maker(*arguments)


def ask(held: Any, content: bytes) -> Any:
    """What a call gives; None where the question is whether the object is made."""
    request = pickle.loads(content)
    return None if request is None else getattr(held, request[0])(*request[1])


def attempted(call: Callable[..., Any], *arguments: Any) -> Outcome:
    """What a call gives, or what goes wrong in it."""
    try:
        return call(*arguments), None
    except Exception as error:
        return None, sendable(error)


def reply(outcome: Outcome) -> bytes:
    """An outcome as a message; where a result cannot be sent, that is what went wrong."""
    try:
        return dumped(outcome)
    except Exception as error:
        return dumped((None, sendable(error)))


def sendable(error: Exception) -> Exception:
    """An error of AS_THEY_ARE with its traceback as a note, if it survives a pickle; else its text."""
    told = "".join(traceback.format_exception(error))
    if isinstance(error, AS_THEY_ARE) and not isinstance(error, ConnectionError):  # which speaks of the worker's pipes
        error.add_note(told)
        with contextlib.suppress(Exception):
            pickle.loads(dumped(error))
            return error
    return WorkerError(f"{type(error).__name__}: {error}\n{told}")


def end_with_parent() -> None:
    """End this process once its parent has ended, whatever is being done here."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def end(connection: Connection, process: SpawnProcess) -> None:
    """End a worker at once; it is no zombie afterwards."""
    connection.close()
    process.kill()
    process.join()
