"""Where metrics go besides the CSV files: TensorBoard and, if wanted, Weights & Biases."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mirl.config import ConfigError
from mirl.files import naming

if TYPE_CHECKING:
    import numpy as np

FLUSH_PERIOD_S = 10.0


class Sink(Protocol):
    """Takes what a run logs."""

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None: ...
    def image(self, env_step: int, name: str, image: np.ndarray) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run directory, x axis in environment steps.

    Written by the calling thread: tensorboardX's own SummaryWriter leaves that to a thread whose queue blocks the run
    for ever once the disk is full.
    """

    def __init__(self, directory: Path, continues_at: int | None = None) -> None:
        """`continues_at`: env step of the checkpoint a run continues from; TensorBoard then hides later events."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self.path = directory / "events.out.tfevents.*"
        self.event = Event
        with naming(self.path):
            directory.mkdir(parents=True, exist_ok=True)
            self.writer = EventsWriter(str(directory / "events"))
        self.flushed_at = time.monotonic()
        if continues_at is not None:
            self.write(continues_at + 1, session_log=SessionLog(status=SessionLog.START))

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, env_step: int, **content: Any) -> None:
        with naming(self.path):
            self.writer.write_event(self.event(step=env_step, wall_time=time.time(), **content))

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None:
        from tensorboardX.summary import scalar

        for name, value in metrics.items():
            self.write(env_step, summary=scalar(name, value))
        if time.monotonic() - self.flushed_at > FLUSH_PERIOD_S:
            self.flush()

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        from tensorboardX.summary import image as picture

        self.write(env_step, summary=picture(name, image, dataformats="HWC"))

    def flush(self) -> None:
        self.flushed_at = time.monotonic()
        with naming(self.path):
            self.writer.flush()

    def close(self) -> None:
        with naming(self.path):
            self.writer.close()


def require_wandb() -> None:
    """Raises ConfigError where --wandb was given and the package is not installed."""
    if importlib.util.find_spec("wandb") is None:
        raise ConfigError("--wandb needs the package wandb, which is not installed here; pip install wandb")


class WeightsAndBiases:
    """An optional mirror; credentials come from the user's own environment, never from here."""

    def __init__(self, directory: Path, run_id: str, config: Mapping[str, Any]) -> None:
        import wandb

        self.wandb = wandb
        name = name_of(directory, run_id)
        try:
            self.run = wandb.init(
                project="mirl", name=name, id=name.replace("/", "-"), dir=str(directory), config=dict(config),
                resume="allow",
            )  # fmt: skip
        except Exception as error:  # theirs are many, and none of them is a fault of the run
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"--wandb: Weights & Biases does not start ({reason}); `wandb login` or WANDB_MODE=offline may mend it"
            ) from error

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None:
        self.run.log({**metrics, "env_step": env_step})

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        self.run.log({name: self.wandb.Image(image), "env_step": env_step})

    def flush(self) -> None:
        """Nothing to do: it sends by itself."""

    def close(self) -> None:
        self.run.finish()


def name_of(directory: Path, run_id: str) -> str:
    """What a run is called where runs of all budgets meet: `<budget>/<run id>`, as its folder has it.

    Elsewhere than in a results folder, the run id with a hash of the place.
    """
    whole = directory.resolve()
    if whole.as_posix().endswith(f"/{run_id}"):
        return "/".join(whole.parts[-len(run_id.split("/")) - 1 :])
    return f"{run_id}/{hashlib.sha256(whole.as_posix().encode()).hexdigest()[:8]}"
