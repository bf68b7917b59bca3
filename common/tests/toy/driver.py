"""The toy paper, driven the way a person or a scheduler does it: by processes, signals and files."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toy.config import DriftConfig
from toy.train import TrainState

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("MIRL_", "PYTHON"))},
    "PYTHONPATH": str(TESTS),
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "100",
}
TRAIN = ("train", "--task", "line", "--method", "drift", "--seed", "0")
SLOWLY = ("--seconds-per-step", "0.0005", "--save-every", "100")

Done = subprocess.CompletedProcess[str]


def toy(
    *words: object, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`python -m toy` with these words, to its end."""
    command = [sys.executable, "-m", "toy", *map(str, words)]
    return subprocess.run(
        command, env={**ENVIRONMENT, **(environment or {})}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, **options,
    )  # fmt: skip


def train(directory: Path, *words: object, **options: Any) -> Done:
    """Train into `directory`, without TensorBoard, to the end."""
    return toy(*TRAIN, "--run-dir", directory, "--no-tensorboard", "--save-every", "200", *words, **options)


def start(directory: Path, *words: object) -> subprocess.Popen[str]:
    """Begin to train into `directory`, in a process group of its own."""
    command = [sys.executable, "-m", "toy", *TRAIN, "--run-dir", directory, "--no-tensorboard", *words]
    return subprocess.Popen(
        [str(word) for word in command], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip


def stop(process: subprocess.Popen[str], signal_number: int) -> tuple[int, str]:
    """Signal a process that `start` made; returns its exit code and what it said on stderr."""
    os.killpg(process.pid, signal_number)
    _, complaint = process.communicate(timeout=30)
    return process.returncode, complaint


def wait_until(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def saved_step(directory: Path) -> int:
    """The env step of the newest checkpoint, 0 where there is none."""
    path = directory / "checkpoint/latest.json"
    return int(json.loads(path.read_text())["env_step"]) if path.exists() else 0


def record(directory: Path) -> dict[str, Any]:
    """run.json."""
    content: dict[str, Any] = json.loads((directory / "run.json").read_text())
    return content


def rows(directory: Path) -> list[tuple[str, ...]]:
    """(env_step, name, value) of every row outside time/, and every row of episodes.csv."""
    metrics = [line.split(",") for line in (directory / "metrics.csv").read_text().splitlines()]
    episodes = [tuple(line.split(",")) for line in (directory / "episodes.csv").read_text().splitlines()]
    return [(step, name, value) for step, _, name, value in metrics if not name.startswith("time/")] + episodes


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def complaint(process: Done) -> str:
    """What the paper complained of: one line, after whatever progress it told."""
    lines = [line for line in process.stderr.splitlines() if " env steps  " not in line]
    assert len(lines) == 1, process.stderr
    return lines[0].removeprefix("toy: ")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files_at_most(size: int) -> Callable[[], None]:
    """For `preexec_fn`: no file can grow beyond `size` bytes, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def toy_config() -> DriftConfig:
    """What TRAIN and SLOWLY resolve to."""
    return DriftConfig(seconds_per_step=0.0005)


def toy_state() -> TrainState:
    return TrainState(toy_config().dimensions, seed=0)
