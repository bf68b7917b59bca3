"""One run directory: how a run begins, continues, writes itself down and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, SupportsFloat, SupportsInt

from mirl import config as configs
from mirl.checkpoint import MEND, SEAL, State, TrainState, read_files, read_latest, write_checkpoint
from mirl.clock import Clock, Progress
from mirl.config import ConfigError
from mirl.files import clear_drafts, move_aside, write_json
from mirl.folder import hold, read_record, refuse_another_config, refuse_foreign_files, refuse_no_folder, says_finished
from mirl.recorder import NonFiniteLoss, Recorder
from mirl.signals import STOP_SIGNALS
from mirl.sinks import Sink, TensorBoard, WeightsAndBiases

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Header", "Interrupted", "NonFiniteLoss", "Run", "TrainState", "open_run", "read_record"]

SCHEMA_VERSION = 1
RECORD_PERIOD_S = 2.0
"""run.json is rewritten at most this often while a run logs."""
SAME_REQUEST_S = 1.0
"""Signals within this time of the first are the same request: a cluster tells every process of a job at once, and those
that started a trainer hand on what they hear."""


class Interrupted(BaseException):
    """SIGTERM or SIGINT stopped the run. No `except Exception` of a training loop is meant to catch it."""

    def __init__(self, signal_number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name} {where}; the same command continues")
        self.signal_number = signal_number


@dataclass(frozen=True)
class Header:
    """Who a run is. Together with the config it decides whether a folder may be continued."""

    paper: str
    task: str
    method: str
    seed: int
    fidelity: str
    device: str
    variant: str = ""

    @property
    def run_id(self) -> str:
        """`paper/task/method[@variant]/seed<k>`."""
        method = f"{self.method}@{self.variant}" if self.variant else self.method
        return f"{self.paper}/{self.task}/{method}/seed{self.seed}"


class Run:
    """One run directory, open for writing: `open_run` makes it, a paper's `train` uses it."""

    def __init__(
        self, directory: Path, header: Header, config: Any, sinks: Sequence[str], save_every: int, lock: IO[str]
    ) -> None:
        """`save_every`: environment steps between checkpoints, 0 saves each time the loop asks; `lock`: see `hold`."""
        self.directory, self.header, self.config = directory, header, config
        self.seed, self.device = header.seed, header.device
        self.sink_names, self.lock = sinks, lock
        self.env_step = 0
        self.stop_signal: int | None = None
        self.stop_asked_at = 0.0
        self.wall_s_before = 0.0
        self.began = time.monotonic()
        self.clocks: dict[str, Clock] = {}
        self.clocks_at: dict[str, int] = {}
        self.save_clock = self.clock("save", save_every)
        self.progress = Progress(header.run_id, config.total_env_steps)
        self.recorder: Recorder | None = None
        self.record: dict[str, Any] = {}
        self.record_written_at = -float("inf")

    @property
    def wall_s(self) -> float:
        """Seconds spent on what the tables hold, over all attempts."""
        return self.wall_s_before + time.monotonic() - self.began

    @property
    def stop_requested(self) -> bool:
        """True once SIGTERM or SIGINT has arrived."""
        return self.stop_signal is not None

    # What a training loop uses.

    def clock(self, name: str, every: int) -> Clock:
        """A clock whose state is kept in the checkpoint under `name`; `every` in environment steps, 0: each call."""
        if name in self.clocks:
            raise ValueError(f"there is a clock {name!r} already")
        self.clocks[name] = Clock(every, self.clocks_at.get(name, 0))
        return self.clocks[name]

    def should_save(self, env_step: int) -> bool:
        """True when a checkpoint is due: by the clock, or because a signal asked the run to stop."""
        return self.save_clock(env_step) or self.stop_requested

    def restore(self, state: State) -> State:
        """Load the checkpoint, if there is one, into `state` and cut the tables back to it; opens the recorder."""
        latest = read_latest(self.directory)
        if latest:
            if SEAL not in latest:
                print(
                    "this checkpoint is of an earlier version, whose latest.json has no checksum of its own", flush=True
                )
            read_files(self.directory, latest, state.load)
            if state.env_step != latest["env_step"]:
                said = f"its latest.json says env step {latest['env_step']}, its files {state.env_step}"
                raise ConfigError(f"the checkpoint of {self.directory} contradicts itself: {said}; {MEND}")
            self.env_step, self.wall_s_before, self.clocks_at = state.env_step, latest["wall_s"], latest["clocks"]
            for name, clock in self.clocks.items():
                clock.last = self.clocks_at.get(name, 0)
            print(f"continuing {self.header.run_id} from env step {state.env_step:,}", flush=True)
        self.recorder = Recorder(self.directory, self.open_sinks(state.env_step if latest else None))
        self.recorder.open(latest["lengths"] if latest else None)
        self.progress = Progress(self.header.run_id, self.config.total_env_steps, self.env_step)
        self.began = time.monotonic()
        return state

    def log(self, env_step: int, metrics: Mapping[str, SupportsFloat]) -> None:
        """Record metrics named train/…, eval/…, loss/… or time/…; raises NonFiniteLoss for a NaN or infinite loss."""
        self.env_step = env_step
        self.opened.log(env_step, self.wall_s, metrics)
        telling = next((name for name in metrics if name.startswith(("eval/", "train/"))), None)
        if telling:
            self.record["last_metric"] = f"{telling} {float(metrics[telling]):.4g}"
        self.progress(env_step, self.record.get("last_metric", ""))
        if time.monotonic() - self.record_written_at > RECORD_PERIOD_S:
            self.write_record("running")

    def log_episodes(
        self,
        env_step: int,
        setting: str,
        returns: Iterable[SupportsFloat],
        lengths: Iterable[SupportsInt],
        successes: Iterable[SupportsFloat],
    ) -> None:
        """Record evaluation episodes: lists or arrays of equal length, one entry an episode."""
        self.opened.log_episodes(env_step, setting, returns, lengths, successes)

    def log_image(self, env_step: int, name: str, image: np.ndarray) -> None:
        """Show an image, uint8 (height, width, 3), in TensorBoard."""
        self.opened.image(env_step, name, image)

    def save(self, state: TrainState) -> None:
        """Write a checkpoint atomically; then raises Interrupted if a signal asked the run to stop."""
        tables = self.opened.sync()
        facts = {
            "wall_s": self.wall_s,
            "lengths": {name: length for name, (length, _) in tables.items()},
            "tables": {name: content for name, (_, content) in tables.items()},
            "clocks": {name: clock.last for name, clock in self.clocks.items()},
        }
        write_checkpoint(self.directory, state, facts)
        self.env_step = state.env_step
        if self.stop_signal is not None:
            raise Interrupted(self.stop_signal, f"at env step {state.env_step:,}")

    # How a run begins and ends.

    def __enter__(self) -> Run:
        """Take the signals."""
        self.handlers = {number: signal.signal(number, self.on_signal) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals and the folder's lock back."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.lock.close()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stop_requested:
            if time.monotonic() - self.stop_asked_at < SAME_REQUEST_S:
                return
            raise Interrupted(number, "at once, without a checkpoint")  # who asks twice does not want to wait for one
        self.stop_signal, self.stop_asked_at = number, time.monotonic()
        name = signal.Signals(number).name
        notice = f"\n{self.header.paper}: {name}: stopping at the next checkpoint; again stops at once\n"
        with contextlib.suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, notice.encode())

    def begin(self, attempts: Sequence[Mapping[str, Any]]) -> None:
        """Write down that attempt number `len(attempts) + 1` runs."""
        resolved = resolve(self.header, self.config)
        earlier = [dict(attempt) for attempt in attempts]
        for attempt in earlier:  # it did not come to write down its end
            attempt["status"] = "killed" if attempt["status"] == "running" else attempt["status"]
        self.record = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.header.run_id,
            "paper": self.header.paper,
            "config": resolved,
            "config_sha256": configs.digest(resolved),
            "total_env_steps": self.config.total_env_steps,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "attempts": [*earlier, {"number": len(earlier) + 1, "start": utc_now(), "end": None, "status": "running"}],
        }
        self.write_record("running")

    def end(self, status: str, reason: str = "") -> None:
        """Write down how it ended: finished, interrupted or failed, and why. Signals come too late from here on."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        attempt = self.record["attempts"][-1]
        attempt.update(end=utc_now(), status=status, **({"reason": reason} if reason else {}))
        recorder, self.recorder = self.recorder, None
        try:
            self.progress.close()
            if recorder:
                recorder.close()
        finally:
            self.write_record(status)

    def write_record(self, status: str) -> None:
        """Rewrite run.json, the state that `mirl status` shows."""
        self.record_written_at = time.monotonic()
        rate = round(self.progress.env_steps_per_s, 3)
        self.record.update(status=status, env_step=self.env_step, env_steps_per_s=rate, updated=utc_now())
        write_json(self.directory / "run.json", self.record)

    @property
    def opened(self) -> Recorder:
        if self.recorder is None:
            raise RuntimeError("run.restore(state) must come before anything is recorded")
        return self.recorder

    def open_sinks(self, continues_at: int | None) -> list[Sink]:
        sinks: list[Sink] = []
        if "tensorboard" in self.sink_names:
            sinks.append(TensorBoard(self.directory, continues_at))
        if "wandb" in self.sink_names:
            sinks.append(WeightsAndBiases(self.directory, self.header.run_id, resolve(self.header, self.config)))
        return sinks


def open_run(
    directory: Path,
    header: Header,
    config: Any,
    sinks: Sequence[str] = ("tensorboard",),
    save_every: int = 0,
    overwrite: bool = False,
) -> Run | None:
    """Begin or continue a run; None where it is finished already.

    Raises ConfigError, with nothing written, when another process writes there, when the folder holds another run,
    another config or foreign files, or when its checkpoint is damaged.
    """
    refuse_no_folder(directory)
    if overwrite and directory.exists():
        with hold(directory):
            print(f"the old folder is now {move_aside(directory)}", flush=True)
    refuse_foreign_files(directory)
    lock = hold(directory)
    try:
        record = read_record(directory)
        if record:
            refuse_another_config(directory, record["config"], resolve(header, config))
            if says_finished(directory):
                lock.close()
                return None
            read_latest(directory)
        for folder in (directory, directory / "checkpoint"):
            clear_drafts(folder)
        run = Run(directory, header, config, sinks, save_every, lock)
        run.begin(record["attempts"] if record else [])
    except BaseException:
        lock.close()
        raise
    return run


def resolve(header: Header, config: Any) -> dict[str, Any]:
    """Header and config in one dictionary, as it is recorded and compared."""
    return {**{name: value for name, value in vars(header).items() if name != "paper"}, **configs.as_dictionary(config)}


def utc_now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
