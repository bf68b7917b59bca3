"""`mirl soak`: trainers killed at random moments, again and again, must end with the rows of one that never was."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

from mirl.attempt_log import last_words
from mirl.folder import says_finished
from mirl.suite import venvs
from mirl.suite.experiments import Experiments
from mirl.suite.orphans import die_with_parent, wait_for_group
from mirl.suite.results import measured
from mirl.suite.runner import paper_python, train_arguments
from mirl.suite.selection import RunSpec, select

AT_THE_END = 2.0
"""With so many times of an uninterrupted run left, the last trainer is let alone: something is to be compared."""


SAVE_OFTEN = ("--save-every", "1")
"""What is killed saves whenever it may: a tiny run has few checkpoints of its own, and most kills would begin anew."""


class SoakError(RuntimeError):
    """A run that did not end, or not with the rows of the uninterrupted one, in one line."""


@dataclass
class Figures:
    """What was done to the trainers of one paper."""

    paper: str
    kills: int = 0
    continued: int = 0
    """Trainers that went on from a checkpoint of a killed one."""
    compared: int = 0
    """Killed and continued runs that came to their end and had equal rows."""
    rows: int = 0
    """In those."""
    seconds: float = 0.0
    fault: str = ""


def soak(
    root: Path, experiments: Experiments, papers: Sequence[str], folder: Path, minutes: float, jobs: int, seed: int
) -> list[Figures]:
    """Kill tiny runs of these papers for `minutes` in all, `jobs` papers at a time; runs lie in `folder`.

    Every method of a paper's first task takes its turn. What is unfinished when time is up is not compared.
    """
    share_s = 60 * minutes / math.ceil(len(papers) / jobs)
    with ThreadPoolExecutor(jobs) as pool:
        work = [pool.submit(soak_paper, root, experiments, paper, folder / paper, share_s, seed) for paper in papers]
        return [one.result() for one in work]


def soak_paper(root: Path, experiments: Experiments, paper: str, folder: Path, share_s: float, seed: int) -> Figures:
    """`share_s` seconds of one paper; ends at its first fault."""
    figures, began = Figures(paper), time.monotonic()
    chance = random.Random(f"{paper} {seed}")
    task = next(iter(experiments.papers[paper].tasks))
    lengths: dict[str, float] = {}
    try:
        for number, spec in enumerate(cycle(select(experiments, "tiny", paper, task, seeds=[seed]))):
            whole, killed = folder / f"whole-{spec.labelled_method}", folder / f"killed-{number}"
            if spec.method not in lengths:
                trainer = start(root, experiments, spec, whole)
                lengths[spec.method] = ended(trainer, whole, share_s - (time.monotonic() - began))
            for life_s in lives(chance, lengths[spec.method]):
                left_s = share_s - (time.monotonic() - began)
                if left_s < AT_THE_END * lengths[spec.method]:
                    life_s = left_s
                trainer = start(root, experiments, spec, killed, *SAVE_OFTEN)
                figures.continued += (killed / "checkpoint/latest.json").exists()
                if survives(trainer, min(life_s, left_s)):
                    break
                figures.kills += left_s > life_s
                if left_s <= life_s:
                    raise TimeoutError
            figures.rows += refuse_other_rows(spec, killed, whole)
            figures.compared += 1
    except TimeoutError:
        pass
    except SoakError as error:
        figures.fault = str(error)
    figures.seconds = time.monotonic() - began
    return figures


def lives(chance: random.Random, whole_s: float) -> Iterator[float]:
    """Seconds that one trainer after the other may live, up to all of a run: much may pass before it first saves."""
    while True:
        yield chance.uniform(0, whole_s)


def start(
    root: Path, experiments: Experiments, spec: RunSpec, directory: Path, *options: str
) -> subprocess.Popen[bytes]:
    """A trainer of the run, begun or continued in a directory, in a process group of its own."""
    threads = str(experiments.papers[spec.paper].threads)
    words = [*train_arguments(experiments, spec), "--run-dir", str(directory), *options]
    return subprocess.Popen(
        [str(paper_python(root, spec.paper)), "-m", spec.paper, *words],
        env={**venvs.clean_environment(), "OMP_NUM_THREADS": threads},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )  # fmt: skip


def ended(trainer: subprocess.Popen[bytes], directory: Path, limit_s: float) -> float:
    """Seconds that the uninterrupted run took. Raises SoakError where it failed, TimeoutError where time is up."""
    began = time.monotonic()
    if not survives(trainer, max(limit_s, 0)):
        raise TimeoutError
    if trainer.returncode != 0:
        raise SoakError(f"{directory} ended with {trainer.returncode}: {last_words(directory)}")
    return time.monotonic() - began


def survives(trainer: subprocess.Popen[bytes], life_s: float) -> bool:
    """Whether a trainer ended by itself within its life; else it is killed, with all that it started."""
    deadline = time.monotonic() + life_s
    while trainer.poll() is None:
        if time.monotonic() >= deadline:
            os.killpg(trainer.pid, signal.SIGKILL)
            wait_for_group(trainer)
            return False
        time.sleep(0.01)
    return True


def refuse_other_rows(spec: RunSpec, killed: Path, whole: Path) -> int:
    """How many rows both runs have. Raises SoakError where they differ, or where the killed one did not end."""
    if not says_finished(killed):
        raise SoakError(f"{spec} did not end after its kills: {last_words(killed)}; see {killed}")
    theirs, ours = rows(whole), rows(killed)
    for number, (there, here) in enumerate(zip(theirs, ours, strict=False)):
        if there != here:
            raise SoakError(f"{spec} differs in row {number}: {here}, uninterrupted {there}; see {killed}")
    if len(theirs) != len(ours):
        raise SoakError(f"{spec} has {len(ours)} rows, uninterrupted {len(theirs)}; see {killed}")
    return len(ours)


def rows(directory: Path) -> list[str]:
    """`env_step,name,value` of every row outside time/, and every row of episodes.csv."""
    kept = [",".join(row) for row in measured((directory / "metrics.csv").read_text().splitlines())]
    return kept + (directory / "episodes.csv").read_text().splitlines()
