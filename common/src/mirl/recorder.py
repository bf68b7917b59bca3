"""What a run writes down while it runs: metrics.csv and episodes.csv, mirrored by the sinks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat, SupportsInt

from mirl.files import hash_of_first, naming
from mirl.sinks import Sink

if TYPE_CHECKING:
    import numpy as np

METRICS_HEADER = "env_step,wall_s,name,value"
EPISODES_HEADER = "env_step,setting,episode,return,length,success"
GROUPS = ("train", "eval", "loss", "time")
TEARS_A_ROW = ',\n\r"'


class NonFiniteLoss(ArithmeticError):  # noqa: N818 - it names what happened
    """A loss became NaN or infinite: the run stops and says which one and when."""


class Table:
    """An append-only CSV file whose length can be remembered and restored."""

    def __init__(self, path: Path, header: str) -> None:
        self.path, self.header = path, header

    def open(self, length: int | None) -> None:
        """Drop everything after `length` bytes (None: everything) and write on from there."""
        with naming(self.path):
            self.stream = self.path.open("ab", buffering=0)  # no buffer, so that a full disk is met here and not later
            self.stream.truncate(length or 0)
            self.content = hash_of_first(self.path, length or 0)
        if not length:
            self.append([self.header])

    def append(self, lines: Iterable[str]) -> None:
        """Append whole lines; raises OSError that names the file."""
        content = memoryview("".join(line + "\n" for line in lines).encode())
        with naming(self.path):
            while content:
                written = self.stream.write(content)
                self.content.update(content[:written])
                content = content[written:]

    def sync(self) -> tuple[int, str]:
        """Make what was appended durable; returns the length in bytes and the sha256 of so much."""
        with naming(self.path):
            os.fsync(self.stream.fileno())
            return self.path.stat().st_size, self.content.hexdigest()

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
            table.open(lengths[table.path.name] if lengths else None)

    def log(self, env_step: int, wall_s: float, metrics: Mapping[str, SupportsFloat]) -> None:
        """Append metrics. Raises NonFiniteLoss after writing the row, and ValueError for a name outside the groups."""
        values = {name: float(value) for name, value in metrics.items()}
        for name in values:
            group, _, rest = name.partition("/")
            if group not in GROUPS or not rest or any(sign in name for sign in TEARS_A_ROW):
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
        returns: Iterable[SupportsFloat],
        lengths: Iterable[SupportsInt],
        successes: Iterable[SupportsFloat],
    ) -> None:
        """Append evaluation episodes: lists or arrays of equal length, one entry an episode."""
        if any(sign in setting for sign in TEARS_A_ROW):
            raise ValueError(f"setting {setting!r} must not contain commas, quotes or line breaks")
        rows = zip(returns, lengths, successes, strict=True)
        self.episodes.append(
            f"{env_step},{setting},{number},{float(total)!r},{int(length)},{float(success):g}"
            for number, (total, length, success) in enumerate(rows)
        )

    def image(self, env_step: int, name: str, image: np.ndarray) -> None:
        """Show an image, uint8 (height, width, 3)."""
        for sink in self.sinks:
            sink.image(env_step, name, image)

    def sync(self) -> dict[str, tuple[int, str]]:
        """Make everything durable; returns the length of each table in bytes, and its sha256."""
        for sink in self.sinks:
            sink.flush()
        return {table.path.name: table.sync() for table in self.tables}

    def close(self) -> None:
        """Close every file, also where closing another one fails."""
        with ExitStack() as stack:
            for sink in self.sinks:
                stack.callback(sink.close)
            for table in self.tables:
                stack.callback(table.close)
