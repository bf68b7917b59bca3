"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A generator keyed by its arguments: the same key gives the same numbers in every process.

    So a continued run needs the key alone, such as an episode's number, and no generator state.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, crc32(purpose.encode()), *numbers]))


def derived_seed(seed: int, purpose: str, *numbers: int) -> int:
    """An integer in [0, 2**63) keyed by the arguments."""
    return int(stream(seed, purpose, *numbers).integers(2**63))
