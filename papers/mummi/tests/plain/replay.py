"""Sequences cut from episodes one array at a time, as a loader of separate files does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class PlainReplay:
    """Episodes as dictionaries of arrays."""

    def __init__(self, episodes: Sequence[Mapping[str, NDArray]]) -> None:  # type: ignore[type-arg]
        self.episodes = episodes

    def gather(self, episodes: Sequence[int], starts: Sequence[int], length: int) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """key -> (count, length, ...)."""
        chunks = []
        for number, start in zip(episodes, starts, strict=True):
            chunks.append({key: values[start : start + length] for key, values in self.episodes[number].items()})
        return {key: np.stack([chunk[key] for chunk in chunks]) for key in chunks[0]}
