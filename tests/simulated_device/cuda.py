"""torch.cuda, generators and files of tensors, as programs meet them where there is one card."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # optimisers import it, and it must look at torch.cuda before this changes it
from torch import Tensor, serialization
from torch.utils import checkpoint as recomputation

from simulated_device.counts import Counts
from simulated_device.placement import CPU, CUDA, Placement, names_cuda

NAME = "simulated device"
MEMORY = 16 * 2**30
PROPERTIES = SimpleNamespace(
    name=NAME, major=9, minor=0, total_memory=MEMORY, multi_processor_count=1, uuid="simulated", warp_size=32
)


class Generator(torch.Generator):
    """A generator of either device; both draw a CPU's numbers."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        made: Generator = super().__new__(cls, "cpu")
        made.simulated = names_cuda(device)
        return made

    def __init__(self, device: Any = "cpu") -> None:
        super().__init__()

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA if self.simulated else CPU


class Event:
    """Everything before it is done when it is recorded, as operations are carried out at once."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.at = 0.0

    def record(self, *_: Any) -> None:
        self.at = time.perf_counter()

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        synchronize_with("event")

    def wait(self, *_: Any) -> None: ...

    def elapsed_time(self, other: Event) -> float:
        """Milliseconds."""
        return 1000 * (other.at - self.at)


_waits: list[Counts] = []


def synchronize_with(what: str = "synchronize") -> None:
    _waits[-1].waits[what] += 1


def functions() -> Mapping[str, Callable[..., Any] | Any]:
    """What stands in torch.cuda while the device is there."""
    nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731
    not_now: Callable[[], bool] = lambda: False  # noqa: E731  (optimisers of a CUDA build ask whether a graph is captured)
    stream = SimpleNamespace(
        synchronize=synchronize_with, wait_stream=nothing, wait_event=nothing, record_event=Event, is_capturing=not_now
    )
    return {
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0, "init": nothing,
        "is_initialized": lambda: True, "_is_in_bad_fork": lambda: False,
        "get_device_name": lambda *_: NAME, "get_device_properties": lambda *_: PROPERTIES,
        "get_device_capability": lambda *_: (9, 0), "is_bf16_supported": lambda *_, **__: True,
        "set_device": nothing, "device": lambda *_: nullcontext(), "synchronize": lambda *_: synchronize_with(),
        "Event": Event, "Stream": lambda *_, **__: stream, "current_stream": lambda *_: stream,
        "default_stream": lambda *_: stream, "stream": lambda *_: nullcontext(),
        "is_current_stream_capturing": not_now,
        "empty_cache": nothing, "reset_peak_memory_stats": nothing, "memory_stats": lambda *_: {},
        "memory_allocated": lambda *_: 0, "max_memory_allocated": lambda *_: 0, "memory_reserved": lambda *_: 0,
        "max_memory_reserved": lambda *_: 0, "mem_get_info": lambda *_: (MEMORY, MEMORY),
        "manual_seed": nothing, "manual_seed_all": nothing, "seed": nothing, "initial_seed": lambda: 0,
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda state, *_: torch.set_rng_state(state),
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "set_rng_state_all": lambda states: torch.set_rng_state(states[0]),
    }  # fmt: skip


def grouped(placement: Placement) -> Callable[..., Any]:
    """What optimisers sort tensors by; PyTorch's own looks at the real device."""

    def group(lists: Any, with_indices: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for index, first in enumerate(lists[0]):  # the others are as long, or empty
            columns, indices = found.setdefault((placement.device_of(first), first.dtype), ([[] for _ in lists], []))
            for column, whole in zip(columns, lists, strict=True):
                column += whole[index : index + 1]
            indices.append(index)
        return {key: (columns, indices if with_indices else []) for key, (columns, indices) in found.items()}

    return group


def shape_and_type(tensor: Tensor) -> dict[str, Any]:
    """What must be equal when a part of the forward pass is computed again."""
    return {"shape": tensor.shape, "dtype": tensor.dtype}


@contextmanager
def files_name_their_device(placement: Placement) -> Iterator[None]:
    """torch.save writes down which tensors were on the device, and torch.load puts tensors there."""

    def tag(storage: Any) -> str | None:
        return str(CUDA) if placement.holds_storage(getattr(storage, "_untyped_storage", storage)) else None

    def restore(storage: Any, location: Any) -> Any:
        if not str(location).startswith("cuda"):
            return None
        placement.put_storage(storage)
        return storage

    before = list(serialization._package_registry)
    serialization.register_package(5, tag, restore)  # asked before PyTorch's own
    try:
        yield
    finally:
        serialization._package_registry[:] = before


@contextmanager
def card(placement: Placement, counts: Counts) -> Iterator[None]:
    """A block in which PyTorch says that there is one card."""
    with ExitStack() as stack:
        for name, value in functions().items():
            stack.enter_context(patch.object(torch.cuda, name, value))
        stack.enter_context(patch.object(torch.accelerator, "current_stream", torch.cuda.current_stream))
        stack.enter_context(patch.object(torch.version, "cuda", "simulated"))
        stack.enter_context(patch.object(torch, "Generator", Generator))
        stack.enter_context(patch.object(torch.backends.cudnn, "is_acceptable", lambda _: False))
        stack.enter_context(patch.object(torch._C, "_group_tensors_by_device_and_dtype", grouped(placement)))
        # torch.utils.checkpoint asks for devices once where calls are seen and once where they are not
        stack.enter_context(patch.dict(recomputation._allowed_determinism_checks_to_fns, {"default": shape_and_type}))
        stack.enter_context(files_name_their_device(placement))
        _waits.append(counts)
        stack.callback(_waits.pop)
        yield
