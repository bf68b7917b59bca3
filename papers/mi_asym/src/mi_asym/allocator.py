"""Keep freed memory for the next tensor."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024
"""Bytes; the C library takes no more on 64-bit machines."""


def keep_freed_memory() -> None:
    """Ask the C library not to give freed memory back to the system.

    Most tensors of an update have 1 to 10 MB and live for milliseconds; handing their pages back and faulting them in
    again costs as much as their arithmetic. Does nothing where the C library has no `mallopt`.
    """
    try:
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (AttributeError, OSError, TypeError):
        return
