"""Bringing what the CPU made to where a network is."""

from __future__ import annotations

from typing import Any


def sent(tensor: Any, device: Any) -> Any:
    """A PyTorch tensor of the CPU on a device, by a copy that nobody waits for.

    A plain `to` lets the card finish all it was given first. Pinned memory is copied while the CPU goes on; PyTorch
    keeps it until the copy is done. Where the device is no card this is `to`.
    """
    if str(device).startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
