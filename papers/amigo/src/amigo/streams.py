"""Random numbers that depend on what they are for, not on what was drawn before them."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from amigo.kernels import draw


def derived_seed(seed: int, number: int, purpose: str) -> int:
    """64 bits keyed by (seed, number, purpose)."""
    key = np.random.SeedSequence([seed, number, crc32(purpose.encode())])
    return int(key.generate_state(1, np.uint64)[0])


def generator(seed: int, number: int, purpose: str) -> torch.Generator:
    """A CPU generator keyed by (seed, number, purpose): the same key gives the same numbers in every process."""
    return torch.Generator().manual_seed(derived_seed(seed, number, purpose))


def uniform(seed: int, number: int, purpose: str, *shape: int) -> Tensor:
    """Numbers in [0, 1), float32; each purpose is a stream of its own."""
    return torch.rand(*shape, generator=generator(seed, number, purpose))


def categorical(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Draws from softmax(logits) by inverting its distribution function: (..., A) and (...) -> (...) int64."""
    cumulative = torch.softmax(logits, -1).cumsum(-1)
    if cumulative.device.type == "cpu" and cumulative.dim() == 2:
        drawn = torch.empty(len(cumulative), dtype=torch.int64)
        draw(cumulative.numpy(), uniforms.numpy(), drawn.numpy())
        return drawn
    below = cumulative <= uniforms[..., None] * cumulative[..., -1:]
    return below.sum(-1).clamp_(max=logits.shape[-1] - 1)
