"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch


def derived_seed(seed: int, number: int, purpose: str) -> int:
    """63 bits keyed by (seed, number of the episode or update, purpose)."""
    key = np.random.SeedSequence([seed, number, crc32(purpose.encode())])
    return int(key.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, number: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator keyed by (seed, number, purpose): the same key gives the same numbers in every process."""
    return torch.Generator(device).manual_seed(derived_seed(seed, number, purpose))


def numpy_generator(seed: int, number: int, purpose: str) -> np.random.Generator:
    """As `generator`, for NumPy."""
    return np.random.default_rng(derived_seed(seed, number, purpose))
