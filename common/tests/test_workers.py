"""Objects in processes of their own: what they answer, what is told when they fail, that none outlives its owner."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from counting import FAULTS, Counter

from mirl.paper import main
from mirl.workers import Here, Worker, WorkerDiedError, WorkerError, Workers, gather
from toy.__main__ import PAPER
from toy.driver import TESTS, TRAIN, record
from toy.train import TrainState


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One that the tests of this file share; they leave it as able as it was."""
    shared = Worker(Counter)
    yield shared
    shared.close()


def exists(worker: Worker) -> bool:
    """Whether anything is left of a worker: a zombie counts."""
    return psutil.pid_exists(worker.process.pid or 0)


@pytest.mark.parametrize("place", [Here, Worker])
def test_an_object_does_the_same_here_and_in_a_process_of_its_own(place: Callable[..., Here | Worker]) -> None:
    counter = place(Counter, 3)
    counter.made()
    assert gather([counter.call("add", 1), counter.call("add", 2)]) == [4, 6]
    counter.close()


def test_answers_may_be_waited_for_in_any_order(worker: Worker) -> None:
    first, forgotten, last = (worker.call("echo", number) for number in range(3))
    assert last() == 2
    assert first() == 0
    del forgotten
    assert worker.call("echo", 3)() == 3


def test_arrays_come_back_as_they_were(worker: Worker) -> None:
    array = np.random.default_rng(0).normal(size=(3, 84, 84)).astype(np.float16)[:, ::2]
    back = worker.call("echo", array)()
    np.testing.assert_array_equal(back, array)
    back += 1  # it can be written to


def test_results_come_in_the_order_of_the_jobs_whoever_took_them() -> None:
    jobs = list(range(9))
    pools = [Workers(number, Counter) for number in (1, 3)]
    for pool in pools:
        assert pool.map("square", jobs, str) == [number * number for number in jobs]
        assert pool.map("square", jobs[::-1], str) == [number * number for number in jobs[::-1]]
        assert pool.map("square", [], str) == []
    assert set(pools[1].map("pid", jobs, str)) == {each.process.pid for each in pools[1].workers}
    for pool in pools:
        pool.close()


@pytest.mark.parametrize("name", ["ValueError", "ConfigError", "OSError", "MemoryError"])
def test_errors_that_speak_for_themselves_come_as_they_are_with_the_workers_traceback(
    worker: Worker, name: str
) -> None:
    with pytest.raises(type(FAULTS[name])) as caught:
        worker.call("fail", name)()
    assert type(caught.value) is type(FAULTS[name])
    assert str(caught.value) == str(FAULTS[name])
    assert "in fail\n    raise FAULTS[name]" in caught.value.__notes__[0]
    assert worker.call("echo", 1)() == 1


@pytest.mark.parametrize("name", ["KeyError", "EOFError", "BrokenPipeError", "StubbornError"])
def test_other_errors_are_told_in_the_first_line_with_the_traceback_below(worker: Worker, name: str) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.call("fail", name)()
    first, *others = str(caught.value).splitlines()
    assert first == f"worker process {worker.process.pid} could not fail: {name}: {FAULTS[name]}"
    assert "    raise FAULTS[name]" in others
    assert worker.call("echo", 1)() == 1


def test_a_result_that_cannot_be_sent_is_told_and_so_is_a_call_that_cannot_be_read(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="could not unsendable: TypeError: cannot pickle"):
        worker.call("unsendable")()
    with pytest.raises(TypeError, match="cannot pickle"):
        worker.call("echo", threading.Lock())
    with pytest.raises(WorkerError, match="could not no_such_method: AttributeError: 'Counter' object has no"):
        worker.call("no_such_method")()
    assert worker.call("echo", 1)() == 1


def test_an_object_that_cannot_be_made_is_told_to_whoever_asks() -> None:
    worker = Worker(Counter, -1)
    for ask in (worker.made, worker.call("add", 1), worker.call("add", 1)):
        with pytest.raises(ValueError, match="start must be at least 0, got -1"):
            ask()
    worker.close()


@pytest.mark.parametrize(
    ("end", "code"), [(lambda worker: worker.process.kill(), -9), (lambda worker: worker.call("die", 3), 3)]
)
def test_a_dead_worker_is_one_line_that_names_it_and_leaves_no_zombie(
    end: Callable[[Worker], object], code: int
) -> None:
    worker = Worker(Counter)
    worker.made()
    end(worker)
    for _ in range(2):
        with pytest.raises(WorkerDiedError) as caught:
            worker.call("add", 1)()
        told = f"worker process {worker.process.pid} died (exit code {code}) while it was to add"
        assert str(caught.value) == told
        assert not exists(worker)
    worker.close()


def test_a_death_names_the_job_and_takes_the_other_workers_along() -> None:
    pool = Workers(2, Counter)
    pool.workers[0].process.kill()
    with pytest.raises(WorkerDiedError, match=r"died \(exit code -9\) while it was to square number 0$"):
        pool.map("square", [0, 1], lambda job: f"number {job}")
    assert not any(map(exists, pool.workers))
    with pytest.raises(WorkerError, match="a worker that was ended cannot square 0"):
        pool.map("square", [0], str)


def test_a_job_that_fails_is_named_and_takes_the_workers_along() -> None:
    pool = Workers(2, Counter)
    with pytest.raises(WorkerError, match="could not fail with KeyError: KeyError: 'no-such-class'"):
        pool.map("fail", ["KeyError"], lambda job: f"with {job}")
    assert not any(map(exists, pool.workers))


def test_workers_do_not_hear_the_signals_that_stop_a_run_at_its_next_checkpoint(worker: Worker) -> None:
    worker.made()
    assert worker.process.pid
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(worker.process.pid, number)
    assert worker.call("echo", 1)() == 1
    assert worker.process.exitcode is None


def test_nothing_is_left_of_a_worker_that_was_closed_or_that_nobody_holds() -> None:
    closed, dropped = Worker(Counter), Worker(Counter)
    closed.close()
    closed.close()
    assert not exists(closed)
    process = dropped.process
    del dropped
    gc.collect()
    assert process.exitcode == -signal.SIGKILL
    assert not psutil.pid_exists(process.pid or 0)


PARENT = """
import sys, time
from pathlib import Path
from counting import Counter
from mirl.workers import Worker
if __name__ == "__main__":
    idle, busy = Worker(Counter), Worker(Counter)
    idle.made()
    answer = busy.call("sleep", 600, "told")
    while not Path("told").exists():
        time.sleep(0.01)
    print(idle.process.pid, busy.process.pid, flush=True)
    {rest}
"""


@pytest.mark.parametrize(
    ("rest", "code"), [("time.sleep(600)", -signal.SIGKILL), ("sys.exit(3)", 3), ("raise KeyError", 1)]
)
def test_workers_end_with_their_parent_whichever_way_that_ends(tmp_path: Path, rest: str, code: int) -> None:
    (tmp_path / "parent.py").write_text(PARENT.format(rest=rest))
    parent = subprocess.Popen(
        [sys.executable, "parent.py"], env=os.environ | {"PYTHONPATH": str(TESTS)}, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    workers = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    if code == -signal.SIGKILL:
        parent.kill()
    assert parent.wait(30) == code
    assert psutil.wait_procs(workers, 10)[1] == []  # one of them sleeps for ten minutes
    parent.stdout.close()


def test_what_is_sent_needs_nothing_of_the_sender() -> None:
    """A worker gets its object by name: a lambda is refused before a process is started."""
    with pytest.raises((pickle.PicklingError, AttributeError)):
        Worker(lambda: Counter())


def train_with_a_worker_that_dies(run, config) -> None:
    run.restore(TrainState(config.dimensions, run.seed))
    worker = Worker(Counter)
    worker.call("die", 9)
    worker.call("add", 1)()


def test_a_run_whose_worker_died_says_so_in_one_line_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "seed0"
    paper = replace(PAPER, train=train_with_a_worker_that_dies)
    assert main(paper, [*TRAIN, "--run-dir", str(directory), "--no-tensorboard"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("toy: worker process ")
    assert line.endswith(" died (exit code 9) while it was to add; the same command continues from the last checkpoint")
    assert record(directory)["status"] == "failed"
    assert main(PAPER, [*TRAIN, "--run-dir", str(directory), "--no-tensorboard"]) == 0


def test_a_test_whose_worker_died_says_so_in_one_line(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def evaluate(directory, header, config, options) -> dict[str, float]:
        raise WorkerDiedError("worker process 7 died (exit code -9) while it was to step")

    assert main(replace(PAPER, evaluate=evaluate), ["evaluate", "--run-dir", str(finished)]) == 1
    assert capsys.readouterr().err == "toy: worker process 7 died (exit code -9) while it was to step\n"
