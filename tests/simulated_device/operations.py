"""What a card makes of an operation of ATen: whether it takes these tensors, what it launches, when the host waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from simulated_device.counts import Counts
from simulated_device.placement import CPU, CUDA, Placement, address, tensors_in

TO_HOST, TO_DEVICE = "copy to the host", "copy to the device"
WAITS = {
    "_local_scalar_dense": "item", "nonzero": "nonzero", "masked_select": "masked_select", "equal": "equal",
    "_unique2": "unique", "unique_dim": "unique", "unique_consecutive": "unique", "bincount": "bincount",
    "repeat_interleave": "repeat_interleave", "multinomial": "multinomial",
    "_linalg_check_errors": "errors of linear algebra",
}  # fmt: skip
"""Operations whose results the host looks at, or whose results' shapes are known only when they are done."""
NO_WORK = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "detach_", "lift_fresh",
    "alias", "set_", "resize_", "_unsafe_view", "_reshape_alias", "is_same_size", "_local_scalar_dense",
    "_linalg_check_errors", "is_pinned", "record_stream", "unsafe_chunk", "unsafe_split",
}  # fmt: skip
"""Beside views: memory and bookkeeping, or what is counted as a wait alone."""
COPIES = {"copy_", "_foreach_copy_"}
INDEXING = {"index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put"}
LENGTHS_ON_HOST = {"_pack_padded_sequence": (0, 1), "_pad_packed_sequence": (0, 1)}
"""Name -> the argument on the device and the one that stays on the host, and so with what they return."""


class Operations(TorchDispatchMode):
    """Carries out every operation on the CPU, if a card would have; below autograd, so that gradients are seen too."""

    def __init__(self, placement: Placement, counts: Counts) -> None:
        super().__init__()
        self.placement, self.counts = placement, counts
        self.asked: torch.device | None = None
        """The device that the program named in the call that is being carried out."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and keeping the compiler away takes time

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            return self.carry_out(func, args, kwargs or {})

    def carry_out(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = func._schema.name.partition("::")[2]
        given = list(tensors_in([args, kwargs]))
        here = [tensor for tensor in given if self.placement.holds(tensor)]
        if here:
            self.refuse_mixtures(func, name, args, kwargs, given)
        named = self.asked if kwargs.get("device") is not None or not given else None
        on_device = named == CUDA if named is not None else bool(here)
        result = func(*args, **kwargs)
        if here or on_device:
            self.count(func, name, args, kwargs)
        if on_device:
            self.place(name, given, result)
        return result

    def place(self, name: str, given: Sequence[Tensor], result: Any) -> None:
        """New storages are on the device; what shares one with an argument is where that is."""
        old = {address(tensor) for tensor in given}
        parts = [result[0]] if name in LENGTHS_ON_HOST else result
        for tensor in tensors_in(parts):
            if address(tensor) not in old:
                self.placement.put(tensor)

    def refuse_mixtures(self, func: Any, name: str, args: Any, kwargs: dict[str, Any], given: Sequence[Tensor]) -> None:
        """Raises RuntimeError where a card would not take these tensors together."""
        on = self.placement.holds
        if name in COPIES:
            return
        if name in INDEXING:
            self.refuse_indices(name, args)
        elif name in LENGTHS_ON_HOST:
            if on(args[LENGTHS_ON_HOST[name][1]]):
                raise RuntimeError(f"{name}: lengths must be a CPU tensor, got one on cuda:0 (simulated device)")
        elif name.startswith("_foreach"):
            self.refuse_lists(name, args, kwargs)
        elif not all(map(on, given)):
            scalars = all(on(tensor) or tensor.dim() == 0 for tensor in given)
            if not (scalars and torch.Tag.pointwise in func.tags and all(map(on, written(func, args, kwargs)))):
                refuse(name, given, on)

    def refuse_indices(self, name: str, args: Any) -> None:
        on, whole = self.placement.holds, args[0]
        if not on(whole) and any(on(index) for index in tensors_in(args[1])):
            raise RuntimeError(f"{name}: indices should be on the CPU, where the indexed tensor is (simulated device)")
        if len(args) > 2 and isinstance(args[2], Tensor) and on(args[2]) != on(whole) and args[2].dim():
            refuse(name, [whole, args[2]], on)

    def refuse_lists(self, name: str, args: Any, kwargs: dict[str, Any]) -> None:
        on = self.placement.holds
        parts = [*args, *kwargs.values()]
        lists = [part for part in parts if isinstance(part, (list, tuple)) and len(list(tensors_in(part)))]
        for row in zip(*lists, strict=False):
            group = [tensor for tensor in row if isinstance(tensor, Tensor)]
            if len({on(tensor) for tensor in group}) > 1:
                refuse(name, group, on)
        for single in [part for part in parts if isinstance(part, Tensor)]:
            if on(single) != on(next(tensors_in(lists))):
                refuse(name, [next(tensors_in(lists)), single], on)

    def count(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> None:
        """Note a launch, a wait or a copy."""
        if name in COPIES:
            blocking = not (args[2] if len(args) > 2 else False)
            pairs = [(args[0], args[1])] if name == "copy_" else list(zip(args[0], args[1], strict=True))
            for target, source in pairs:
                self.note_copy(self.placement.holds(source), self.placement.holds(target), blocking)
            return
        if name in WAITS and not (name == "repeat_interleave" and "output_size" in kwargs):
            self.counts.waits[WAITS[name]] += 1
        if name in INDEXING:
            for index in tensors_in(args[1]):
                if not self.placement.holds(index):
                    self.note_copy(False, True, blocking=False)
                elif index.dtype in (torch.bool, torch.uint8):
                    self.counts.waits["mask as index"] += 1
        if not func.is_view and name not in NO_WORK:
            self.counts.launches[name] += 1

    def note_copy(self, source: bool, target: bool, blocking: bool) -> None:
        """`source`, `target`: whether they are on the device."""
        if source and target:
            self.counts.launches["copy_"] += 1
        elif source or target:
            way = TO_HOST if source else TO_DEVICE
            self.counts.copies[way] += 1
            self.counts.waits.update([way] * blocking)


def written(func: Any, args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    """The arguments that an operation writes into."""
    found = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) and not argument.kwarg_only else kwargs.get(argument.name)
            found += list(tensors_in(value))
    return found


def refuse(name: str, given: Sequence[Tensor], on: Callable[[Tensor], bool]) -> None:
    where = ", ".join(f"{CUDA if on(tensor) else CPU} {tuple(tensor.shape)}" for tensor in given)
    raise RuntimeError(f"{name}: expected all tensors to be on the same device, got {where} (simulated device)")
