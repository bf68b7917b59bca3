"""What a run writes down while it runs: metrics.csv, episodes.csv, TensorBoard and, if wanted, Weights & Biases."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

METRICS_HEADER = "env_step,wall_s,name,value"
EPISODES_HEADER = "env_step,setting,episode,return,length,success"
GROUPS = ("train", "eval", "loss", "time")


class NonFiniteLoss(ArithmeticError):
    """A loss became NaN or infinite: the run stops and says which one and when."""


class Sink(Protocol):
    """Where metrics go besides the CSV files."""

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None: ...
    def image(self, env_step: int, name: str, image: np.ndarray) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run directory, x axis in environment steps."""

    def __init__(self, directory: Path, first_env_step: int) -> None:
        from tensorboardX import SummaryWriter

        # purge_step hides what an earlier, killed attempt wrote after its last checkpoint.
        self.writer = SummaryWriter(str(directory), purge_step=first_env_step or None)

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, env_step)

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        self.writer.add_image(name, image, env_step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """An optional mirror; credentials come from the user's own environment, never from here."""

    def __init__(self, directory: Path, run_id: str, config: Mapping[str, Any]) -> None:
        import wandb

        self.wandb = wandb
        self.run = wandb.init(
            project="mirl", name=run_id, id=run_id.replace("/", "-"), dir=str(directory), config=dict(config),
            resume="allow",
        )  # fmt: skip

    def scalars(self, env_step: int, metrics: Mapping[str, float]) -> None:
        self.run.log({**metrics, "env_step": env_step})

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        self.run.log({name: self.wandb.Image(image), "env_step": env_step})

    def close(self) -> None:
        self.run.finish()


class Table:
    """An append-only CSV file whose length can be remembered and restored."""

    def __init__(self, path: Path, header: str) -> None:
        self.path, self.header = path, header

    def cut(self, length: int | None) -> None:
        """Drop everything after `length` bytes (None: everything but the header), then open for appending."""
        if length is None:
            self.path.write_text(self.header + "\n", encoding="utf-8")
        else:
            os.truncate(self.path, length)
        self.stream = self.path.open("a", encoding="utf-8")

    def append(self, lines: Iterable[str]) -> None:
        """Append whole lines in one write; raises OSError that names the file."""
        try:
            self.stream.write("".join(line + "\n" for line in lines))
            self.stream.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def sync(self) -> int:
        """Make what was appended durable; returns the length in bytes."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        return self.path.stat().st_size

    def close(self) -> None:
        self.stream.close()


class Recorder:
    """Writes one run's metrics and episodes, and hands the metrics on to the sinks."""

    def __init__(self, directory: Path, sinks: Sequence[Sink] = ()) -> None:
        self.metrics = Table(directory / "metrics.csv", METRICS_HEADER)
        self.episodes = Table(directory / "episodes.csv", EPISODES_HEADER)
        self.sinks = sinks

    @property
    def tables(self) -> tuple[Table, Table]:
        return self.metrics, self.episodes

    def open(self, lengths: Mapping[str, int] | None) -> None:
        """Start writing after `lengths` bytes a file, as a checkpoint remembers them; None starts empty files."""
        for table in self.tables:
            table.cut(lengths[table.path.name] if lengths else None)

    def log(self, env_step: int, wall_s: float, metrics: Mapping[str, float]) -> None:
        """Append metrics. Raises NonFiniteLoss after writing the row, and ValueError for a name outside the groups."""
        values = {name: float(value) for name, value in metrics.items()}
        for name in values:
            if name.partition("/")[0] not in GROUPS or any(sign in name for sign in ",\n\""):
                raise ValueError(f"metric {name!r} must be named <group>/<name> with a group of {', '.join(GROUPS)}")
        self.metrics.append(f"{env_step},{wall_s:.3f},{name},{value!r}" for name, value in values.items())
        for name, value in values.items():
            if name.startswith("loss/") and not math.isfinite(value):
                raise NonFiniteLoss(f"{name} became {value} at env step {env_step:,}")
        for sink in self.sinks:
            sink.scalars(env_step, values)

    def log_episodes(
        self,
        env_step: int,
        setting: str,
        returns: Sequence[float],
        lengths: Sequence[int],
        successes: Sequence[float],
    ) -> None:
        """Append evaluation episodes: three sequences of equal length, one entry an episode."""
        rows = zip(returns, lengths, successes, strict=True)
        self.episodes.append(
            f"{env_step},{setting},{number},{float(total)!r},{int(length)},{float(success):g}"
            for number, (total, length, success) in enumerate(rows)
        )

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        """Show an image, uint8 (height, width, 3)."""
        for sink in self.sinks:
            sink.image(env_step, name, image)

    def sync(self) -> dict[str, int]:
        """Make the tables durable; returns the length of each in bytes."""
        return {table.path.name: table.sync() for table in self.tables}

    def close(self) -> None:
        for table in self.tables:
            table.close()
        for sink in self.sinks:
            sink.close()
