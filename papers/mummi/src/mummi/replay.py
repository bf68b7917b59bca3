"""Episodes on disk and in memory, and the sequences that are learnt from (card 5.10)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mirl.config import ConfigError
from mirl.files import sha256, write_atomically

Episode = Mapping[str, NDArray[Any]]
"""Arrays of T + 1 entries (card 4.7)."""
Batch = dict[str, NDArray[Any]]


class Replay:
    """All episodes of a run, each one shard: an array of records, one record an entry.

    A shard is written once and never changed. Episodes up to `memory_bytes` stay in memory; later ones are read
    from their shards when they are drawn (an episode of 501 entries takes 10.3 MB, a full run about 20 GB).
    """

    def __init__(self, folder: Path, memory_bytes: int = 4 * 2**30) -> None:
        """`folder` holds the shards."""
        self.folder, self.memory_bytes = folder, memory_bytes
        self.episodes: list[NDArray[Any]] = []
        self.hashes: list[str] = []
        self.held_bytes = 0

    def __len__(self) -> int:
        """Episodes."""
        return len(self.episodes)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(episodes,), entries of each: agent steps + 1."""
        return np.array([len(records) for records in self.episodes], dtype=np.int64)

    @property
    def agent_steps(self) -> int:
        """Steps in all episodes, action repeat not counted."""
        return int((self.lengths - 1).sum())

    def add(self, episode: Episode) -> None:
        """Write an episode's shard, then hold it. ValueError for other entries than those of the first episode."""
        records = as_records(episode)
        if self.episodes and records.dtype != self.episodes[0].dtype:
            raise ValueError(f"an episode of this replay has {self.episodes[0].dtype.names}, got {records.dtype.names}")
        content = io.BytesIO()
        np.save(content, records, allow_pickle=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.shard(len(self)), content.getvalue())
        self.hashes.append(hashlib.sha256(content.getbuffer()).hexdigest())
        self.hold(records)

    def hold(self, records: NDArray[Any]) -> None:
        """Keep records in memory while there is room, else look at their shard."""
        if self.held_bytes + records.nbytes <= self.memory_bytes:
            self.held_bytes += records.nbytes
            self.episodes.append(records)
        else:
            self.episodes.append(np.load(self.shard(len(self)), mmap_mode="r", allow_pickle=False))

    def shard(self, number: int) -> Path:
        """The file of an episode."""
        return self.folder / f"episode-{number:06d}.npy"

    def draw(
        self,
        generator: np.random.Generator,
        count: int,
        length: int,
        balance: bool = False,
        last_entry: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(count,) episodes and (count,) first entries.

        Episodes are uniform with replacement among those longer than `length` entries; a start is uniform from 0 to
        entries - length, exclusive, so that the last entry is never drawn; `last_entry` makes it inclusive.
        `balance`: a start is uniform over all entries, moved back where the sequence would not fit, so that ends are
        seen more often and the last entry as well. ValueError where no episode is long enough. Source: card 5.10.
        """
        eligible = np.flatnonzero(self.lengths > length)
        if not eligible.size:
            longest = int(self.lengths.max(initial=0))
            raise ValueError(f"batch_length must be shorter than the longest episode ({longest} entries), got {length}")
        episodes = generator.choice(eligible, count)
        rest = self.lengths[episodes] - length
        if balance:
            return episodes, np.minimum(generator.integers(0, self.lengths[episodes]), rest)
        return episodes, generator.integers(0, rest + last_entry)

    def gather(
        self, episodes: NDArray[np.int64], starts: NDArray[np.int64], length: int, keys: Sequence[str] | None = None
    ) -> Batch:
        """The sequences that begin there: key -> (count, length, ...); `keys` None means all."""
        form = self.episodes[0].dtype
        chosen = form.names or () if keys is None else keys
        batch = {key: np.empty((len(episodes), length, *form[key].shape), form[key].base) for key in chosen}
        for row, (episode, start) in enumerate(zip(episodes, starts, strict=True)):
            records = self.episodes[episode][start : start + length]
            for key in chosen:
                batch[key][row] = records[key]
        return batch

    def sample(
        self,
        generator: np.random.Generator,
        batch: int,
        length: int,
        balance: bool = False,
        keys: Sequence[str] | None = None,
        last_entry: bool = False,
    ) -> Batch:
        """`batch` random sequences: key -> (batch, length, ...)."""
        return self.gather(*self.draw(generator, batch, length, balance, last_entry), length, keys)

    def state(self) -> dict[str, Any]:
        """Lengths and sha256 of the shards, for a checkpoint."""
        return {"lengths": self.lengths.tolist(), "sha256": list(self.hashes)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Hold the shards that a checkpoint counts on; later ones are of steps that will be made again.

        Raises ConfigError where one is missing or damaged.
        """
        self.episodes, self.hashes, self.held_bytes = [], list(state["sha256"]), 0
        for number, expected in enumerate(self.hashes):
            path = self.shard(number)
            if not path.is_file() or sha256(path) != expected:
                fault = "damaged (its sha256 differs from the one written)" if path.is_file() else "missing"
                raise ConfigError(f"{path} is {fault}; start again with --overwrite, which keeps the old folder aside")
            self.hold(np.load(path, allow_pickle=False))
        counted = {self.shard(number) for number in range(len(self))}
        for path in set(self.folder.glob("episode-*.npy")) - counted:
            path.unlink()


def as_records(episode: Episode) -> NDArray[Any]:
    """(entries,) records of an episode's arrays. ValueError where they are not of one length."""
    lengths = {key: len(values) for key, values in episode.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"the arrays of an episode are of one length, got {lengths}")
    form: list[tuple[str, DTypeLike, tuple[int, ...]]]
    form = [(key, values.dtype, values.shape[1:]) for key, values in episode.items()]
    records = np.empty(next(iter(lengths.values())), dtype=form)
    for key, values in episode.items():
        records[key] = values
    return records


def export_npz(episode: Episode, folder: Path, number: int, moment: datetime) -> Path:
    """Write `<timestamp>-<hex>-<length>.npz` as the original's folder has it; length counts entries (card 5.10).

    The middle part is the episode's number in the run. So an episode that is made again after a kill takes the place of
    its file from before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name, length = f"{number:032x}", len(next(iter(episode.values())))
    path = folder / f"{moment:%Y%m%dT%H%M%S}-{name}-{length}.npz"
    content = io.BytesIO()
    np.savez_compressed(content, **dict(episode))
    write_atomically(path, content.getvalue())
    for older in set(folder.glob(f"*-{name}-*.npz")) - {path}:
        older.unlink()
    return path
