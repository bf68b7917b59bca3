"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from mirl.sending import sent


def derived_seed(seed: int, index: int, purpose: str) -> int:
    """63 bits keyed by (seed, index, purpose)."""
    key = np.random.SeedSequence([seed, index, crc32(purpose.encode())])
    return int(key.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, index: int, purpose: str) -> torch.Generator:
    """A CPU generator keyed by (seed, index, purpose): the same key gives the same numbers in every process."""
    return torch.Generator().manual_seed(derived_seed(seed, index, purpose))


def chooser(seed: int, index: int, purpose: str) -> np.random.Generator:
    """A NumPy generator with the same kind of key, for choices among trajectories."""
    return np.random.default_rng([seed, index, crc32(purpose.encode())])


def normal(seed: int, index: int, purpose: str, *shape: int, device: str = "cpu") -> Tensor:
    """Standard normal float32 numbers, drawn on the CPU and then moved, so that CPU and GPU see the same."""
    drawn: Tensor = sent(torch.randn(*shape, generator=generator(seed, index, purpose)), device)
    return drawn


def uniform(seed: int, index: int, purpose: str, *shape: int) -> Tensor:
    """Float32 numbers in [-1, 1)."""
    return 2 * torch.rand(*shape, generator=generator(seed, index, purpose)) - 1
