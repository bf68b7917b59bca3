"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from mirl.sending import sent


def derived_seed(seed: int, iteration: int, purpose: str) -> int:
    """64 bits keyed by (seed, iteration, purpose)."""
    key = np.random.SeedSequence([seed, iteration, crc32(purpose.encode())])
    return int(key.generate_state(1, np.uint64)[0])


def generator(seed: int, iteration: int, purpose: str) -> torch.Generator:
    """A CPU generator keyed by (seed, iteration, purpose): the same key gives the same numbers in every process."""
    return torch.Generator().manual_seed(derived_seed(seed, iteration, purpose))


class WeightStreams:
    """Where the networks' initial weights are drawn from: a stream each, or as released one for all in turn."""

    def __init__(self, seed: int, kind: Literal["streams", "released"]) -> None:
        self.seed, self.released = seed, kind == "released"
        self.shared = torch.Generator().manual_seed(seed)

    def of(self, network: str) -> torch.Generator:
        """The generator for a network; as released the order in which networks draw from it matters."""
        return self.shared if self.released else generator(self.seed, 0, network)


@dataclass(frozen=True)
class Streams:
    """The standard normal numbers of one iteration, so that a continued run needs no generator state.

    Numbers are drawn on the CPU and then moved, so that CPU and GPU see the same.
    """

    seed: int
    iteration: int
    device: str = "cpu"
    prefix: str = ""
    """Keeps training and testing apart where seed and iteration agree."""

    def seed_for(self, purpose: str) -> int:
        """A seed of its own for each purpose."""
        return derived_seed(self.seed, self.iteration, self.prefix + purpose)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal float32 numbers of the given shape; each purpose is a stream of its own."""
        source = generator(self.seed, self.iteration, self.prefix + purpose)
        drawn: Tensor = sent(torch.randn(*shape, generator=source), self.device)
        return drawn
