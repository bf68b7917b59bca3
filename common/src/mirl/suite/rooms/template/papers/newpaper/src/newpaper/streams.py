"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor


def generator(seed: int, number: int, purpose: str) -> torch.Generator:
    """A CPU generator keyed by (seed, number, purpose): the same key gives the same numbers in every process.

    So a checkpoint needs no generator's state, and what one part draws does not move what another gets.
    """
    key = np.random.SeedSequence([seed, number, crc32(purpose.encode())])
    return torch.Generator().manual_seed(int(key.generate_state(1, np.uint64)[0]))


def uniform(seed: int, number: int, purpose: str, *shape: int) -> Tensor:
    """Numbers in [0, 1), float32."""
    return torch.rand(*shape, generator=generator(seed, number, purpose))
