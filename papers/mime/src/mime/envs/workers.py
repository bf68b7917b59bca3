"""Jobs played in other processes: whoever is free takes the next, and the results do not depend on who that was."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections import deque
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.util import Finalize

from mime.envs.manipulation import Job, Played, Player
from mirl.signals import stop_signals_held


class WorkerError(RuntimeError):
    """A worker ended, or could not play its job."""


@cache
def shared_player(number: int) -> Player | Workers:
    """One player for this process, or `number` others, shared by all environments and kept until the end."""
    return Player() if number == 1 else Workers(number)


class Workers:
    """Processes that play jobs. They end with this object and with this process, whichever way that ends."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share files, signals and threads' locks
        self.processes: dict[Connection, SpawnProcess] = {}
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs,), name="mime-worker")
            with stop_signals_held():
                process.start()
            theirs.close()
            self.processes[ours] = process
        self.close = Finalize(self, end, args=(self.processes,), exitpriority=10)

    def play_all(self, jobs: Sequence[Job]) -> list[Played]:
        """The results of all jobs, in their order. Raises WorkerError, after which no worker is left."""
        waiting = deque(enumerate(jobs))
        results: dict[int, Played] = {}
        playing: dict[Connection, int] = {}
        for connection in self.processes:
            self.hand_out(connection, waiting, playing)
        while playing:
            ready = wait(list(playing))
            for connection in [connection for connection in playing if connection in ready]:
                number = playing.pop(connection)
                results[number] = self.receive(connection, jobs[number])
                self.hand_out(connection, waiting, playing)
        return [results[number] for number in range(len(jobs))]

    def hand_out(self, connection: Connection, waiting: deque[tuple[int, Job]], playing: dict[Connection, int]) -> None:
        """Give a free worker the next job, if there is one."""
        if waiting:
            playing[connection], job = waiting.popleft()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # receiving will tell
                connection.send(job)

    def receive(self, connection: Connection, job: Job) -> Played:
        """A worker's result."""
        try:
            result: Played | str = connection.recv()
        except (EOFError, ConnectionResetError):
            process = self.processes[connection]
            process.join(5)
            complaint = f"worker process {process.pid} died (exit code {process.exitcode}) while it played {job.name}"
            self.close()
            raise WorkerError(f"{complaint}; the same command continues from the last checkpoint") from None
        if isinstance(result, str):
            self.close()
            raise WorkerError(f"a worker could not play {job.name}: {result}")
        return result


def play_all(player: Player | Workers, jobs: Sequence[Job]) -> list[Played]:
    """The results of all jobs, in their order."""
    return player.play_all(jobs) if isinstance(player, Workers) else [player.play(job) for job in jobs]


def serve(connection: Connection) -> None:
    """What a worker does: play what it is sent, until the other end closes."""
    player = Player()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = connection.recv()
            try:
                result: Played | str = player.play(job)
            except Exception:
                result = traceback.format_exc()
            connection.send(result)


def end(processes: dict[Connection, SpawnProcess]) -> None:
    """End workers at once; they hold nothing that could be lost."""
    for connection, process in processes.items():
        connection.close()
        process.kill()
        process.join()
