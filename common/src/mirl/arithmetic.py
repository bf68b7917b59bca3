"""How PyTorch calculates, in every paper that uses it."""

from __future__ import annotations

import importlib
from typing import Any


def set_up_torch(threads: int) -> None:
    """Fix the number of CPU threads, and let GPUs convolve in float32.

    PyTorch would use TF32 there, with 10 bits of a number's fraction instead of 23: another experiment.
    """
    torch: Any = importlib.import_module("torch")  # mirl itself stands on no framework
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False
