"""The tables that the original writes into a run's folder: logs.csv and fields.csv (card 6)."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from mirl.checkpoint import MEND
from mirl.config import ConfigError
from mirl.files import naming, write_atomically

OUTPUTS = ("logs.csv", "fields.csv", "meta.json", "model.tar")
COLUMNS = {
    "total_loss": "loss/total",
    "mean_episode_return": "train/batch_return",
    "pg_loss": "loss/policy",
    "baseline_loss": "loss/value",
    "entropy_loss": "loss/entropy",
    "gen_rewards": "train/teacher_reward",
    "gg_loss": "loss/teacher_policy",
    "generator_entropy_loss": "loss/teacher_entropy",
    "generator_baseline_loss": "loss/teacher_value",
    "mean_intrinsic_rewards": "train/intrinsic_reward",
    "mean_episode_steps": "train/goal_steps",
    "ex_reward": "train/teacher_extrinsic_reward",
    "generator_current_target": "train/difficulty",
}
"""Column of logs.csv -> metric. The teacher's are empty where it was not updated."""
TEACHER_COLUMNS = ("gen_rewards", "gg_loss", "generator_entropy_loss", "generator_baseline_loss", "mean_episode_steps",
                   "ex_reward", "generator_current_target")  # fmt: skip
PLAIN_COLUMNS = {name: metric for name, metric in COLUMNS.items() if name not in TEACHER_COLUMNS}


class Log:
    """logs.csv: a row an update, as the original's plotting script reads it; cut back where a run continues."""

    def __init__(self, directory: Path, has_teacher: bool, length: int) -> None:
        """`length`: bytes that the checkpoint remembers, 0 begins a new file."""
        self.path, self.columns = directory / "logs.csv", COLUMNS if has_teacher else PLAIN_COLUMNS
        if length and (not self.path.is_file() or self.path.stat().st_size < length):
            raise ConfigError(f"{self.path} is shorter than its checkpoint says; {MEND}")
        with naming(self.path):
            self.stream: IO[bytes] = self.path.open("ab")
            self.stream.truncate(length)
            self.stream.seek(0, io.SEEK_END)
        self.length, self.tick = length, 0
        names = ["_tick", "_time", "frames", *self.columns]
        if length:
            with self.path.open("rb") as old:
                self.tick = sum(1 for _ in old) - 1
        else:
            self.write(["# " + names[0], *names[1:]])
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(names)
            write_atomically(directory / "fields.csv", text.getvalue())

    def append(self, frames: int, row: Mapping[str, float]) -> None:
        """One update; `frames` are those before it."""
        teaches = "train/teacher_reward" in row
        cells = [str(self.tick), f"{time.time():.3f}", str(frames)]
        for name, metric in self.columns.items():
            empty = metric not in row or (name == "generator_current_target" and not teaches)
            cells.append("" if empty else repr(row[metric]))
        self.write(cells)
        self.tick += 1

    def write(self, cells: list[str]) -> None:
        line = (",".join(cells) + "\n").encode()
        with naming(self.path):
            self.stream.write(line)
        self.length += len(line)

    def flush(self) -> None:
        with naming(self.path):
            self.stream.flush()

    def close(self) -> None:
        with naming(self.path):
            self.stream.close()
