"""Which tensors lie on the simulated device: those whose storage was put there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
FIRST_SWEEP = 4096


class Placement:
    """The storages that lie on the device. Views, `detach`, `.data` and what autograd saved share theirs."""

    def __init__(self) -> None:
        self.storages: dict[int, StorageWeakRef] = {}
        self.sweep_at = FIRST_SWEEP

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor lies on the device."""
        key = address(tensor)
        return key in self.storages and not self.storages[key].expired()

    def device_of(self, tensor: Tensor) -> torch.device:
        return CUDA if self.holds(tensor) else CPU

    def put(self, tensor: Tensor) -> None:
        """From now on a tensor, and whatever shares its storage, lies on the device."""
        self.put_storage(tensor.untyped_storage())

    def put_storage(self, storage: Any) -> None:
        # A weak reference keeps the address from being used again, until the sweep that drops it.
        self.storages[storage._cdata] = StorageWeakRef(storage)
        if len(self.storages) > self.sweep_at:
            self.storages = {key: known for key, known in self.storages.items() if not known.expired()}
            self.sweep_at = max(FIRST_SWEEP, 2 * len(self.storages))

    def holds_storage(self, storage: Any) -> bool:
        known = self.storages.get(storage._cdata)
        return known is not None and not known.expired()


def address(tensor: Tensor) -> int:
    """Of a tensor's storage; 0 where it has none."""
    try:
        found: int = tensor.untyped_storage()._cdata
        return found
    except (NotImplementedError, RuntimeError):
        return 0


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))


def names_cuda(device: Any) -> bool:
    """Whether what a program gave as a device means a card."""
    return device is not None and (isinstance(device, int) or torch.device(device).type == "cuda")
