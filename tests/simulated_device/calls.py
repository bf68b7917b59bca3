"""PyTorch's functions as programs call them: where tensors are said to be, what moves them, what a card refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from simulated_device.operations import TO_DEVICE, TO_HOST, Operations
from simulated_device.placement import CPU, CUDA, Placement, names_cuda, tensors_in

MAKERS_FROM_DATA = ("tensor", "as_tensor", "asarray", "new_tensor", "scalar_tensor")


class Calls(TorchFunctionMode):
    """Answers what the real tensors, which all lie on the CPU, would answer otherwise."""

    def __init__(self, placement: Placement, operations: Operations, fused: bool = True) -> None:
        """fused: count a GRU or LSTM as one launch forwards and one back, else as what a CPU makes of it."""
        super().__init__()
        self.fused = fused
        self.placement, self.operations, self.counts = placement, operations, operations.counts
        self.pinned = Placement()
        self.answers: dict[str, Callable[..., Any]] = {
            "to": self.to, "cuda": self.cuda, "cpu": self.cpu, "numpy": self.numpy, "__array__": self.as_array,
            "tolist": self.tolist, "pin_memory": self.pin_memory, "is_pinned": lambda _, tensor: self.is_pinned(tensor),
            "get_device": lambda _, tensor: 0 if self.placement.holds(tensor) else -1, "__deepcopy__": self.deepcopy,
            "one_hot": self.one_hot, "gru": self.recurrent, "lstm": self.recurrent,
            **dict.fromkeys(MAKERS_FROM_DATA, self.from_data),
        }  # fmt: skip

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if isinstance(func, torch._ops.OpOverload):  # what another mode hands on, which was a call before
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return self.attribute(func, name, args)
        self.refuse_generator(args, kwargs)
        if name in self.answers:
            return self.answers[name](func, *args, **kwargs)
        device = kwargs.get("device")
        if device is not None:
            with self.asked(names_cuda(device)):
                return func(*args, **{**kwargs, "device": CPU})
        inside = any(map(self.placement.holds, tensors_in([args, kwargs])))  # where what it makes on its way will be
        with self.asked(inside):
            return func(*args, **kwargs)

    @contextmanager
    def in_backward_passes(self) -> Iterator[None]:
        """A block in which what autograd functions do on their way back is seen: `Tensor.backward` and `grad` are calls
        themselves, in which others go unseen."""
        run = torch.autograd._engine_run_backward

        def seen(*args: Any, **kwargs: Any) -> Any:
            with nullcontext() if self in _get_current_function_mode_stack() else self:
                return run(*args, **kwargs)

        with patch.object(torch.autograd, "_engine_run_backward", seen):
            yield

    @contextmanager
    def asked(self, on_device: bool) -> Iterator[None]:
        """A block in which operations that are told a device are told this one."""
        before, self.operations.asked = self.operations.asked, CUDA if on_device else CPU
        try:
            yield
        finally:
            self.operations.asked = before

    def attribute(self, func: Any, way: str, args: Any) -> Any:
        """A tensor's attribute, read or written."""
        attribute = getattr(func.__self__, "__name__", "")
        on_device = self.placement.holds(args[0])
        if way == "__set__" and attribute == "grad" and isinstance(args[1], Tensor):
            if self.placement.holds(args[1]) != on_device:
                raise RuntimeError("assigned grad has data located on a different device (simulated device)")
        elif way == "__get__" and attribute == "device":
            return CUDA if on_device else CPU
        elif way == "__get__" and attribute in ("is_cuda", "is_cpu"):
            return on_device == (attribute == "is_cuda")
        return func(*args)

    def refuse_generator(self, args: Any, kwargs: dict[str, Any]) -> None:
        """A generator draws on its own device alone."""
        given = [value for value in [*args, *kwargs.values()] if isinstance(value, torch.Generator)]
        if not given:
            return
        device = kwargs.get("device")
        on_device = (
            names_cuda(device) if device is not None else any(map(self.placement.holds, tensors_in([args, kwargs])))
        )
        drawn_on = "cuda" if on_device else "cpu"
        for generator in given:
            if generator.device.type != drawn_on:
                raise RuntimeError(
                    f"expected a {drawn_on!r} generator, found one of {generator.device} (simulated device)"
                )

    # Moving tensors

    def to(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        copy = kwargs.pop("copy", False)
        if "other" in kwargs or (args and isinstance(args[0], Tensor)):
            other = kwargs.pop("other", None)
            other, *rest = [other, *args] if other is not None else args
            device, dtype = self.placement.device_of(other), other.dtype
            args = (device, dtype, *rest)
        device, dtype, non_blocking, memory_format = torch._C._nn._parse_to(*args, **kwargs)
        form = {} if memory_format is None else {"memory_format": memory_format}
        on_device = self.placement.holds(tensor) if device is None else names_cuda(device)
        moved = func(tensor, dtype or tensor.dtype, copy=copy, **form)
        return self.moved(moved, on_device, non_blocking)

    def moved(self, tensor: Tensor, on_device: bool, non_blocking: bool = False) -> Tensor:
        """A tensor where it is wanted: itself where it is there already."""
        if self.placement.holds(tensor) == on_device:
            return tensor
        way = TO_DEVICE if on_device else TO_HOST
        self.counts.copies[way] += 1
        self.counts.waits.update([way] * (not non_blocking))
        copied: Tensor = Moved.apply(tensor, self.placement, on_device)  # type: ignore[no-untyped-call]
        return copied

    def cuda(self, func: Any, tensor: Tensor, device: Any = None, non_blocking: bool = False, **_: Any) -> Tensor:
        return self.moved(tensor, True, non_blocking)

    def cpu(self, func: Any, tensor: Tensor, *_: Any, **__: Any) -> Tensor:
        return self.moved(tensor, False)

    def from_data(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """`torch.tensor` and its like: on the named device, else where a tensor that is given lies."""
        device = kwargs.pop("device", None)
        given = [value for value in [*args, *kwargs.values()] if isinstance(value, Tensor)]
        on_device = names_cuda(device) if device is not None else any(map(self.placement.holds, given))
        made = func(*args, **kwargs)
        return self.moved(made, on_device) if isinstance(made, Tensor) else made

    def pin_memory(self, func: Any, tensor: Tensor, *_: Any) -> Tensor:
        if self.placement.holds(tensor):
            raise RuntimeError("cannot pin a tensor on cuda:0, only CPU tensors can be pinned (simulated device)")
        pinned = tensor.clone()
        self.pinned.put(pinned)
        return pinned

    def is_pinned(self, tensor: Tensor) -> bool:
        return self.pinned.holds(tensor)

    def deepcopy(self, func: Any, tensor: Tensor, memo: Any) -> Tensor:
        copied: Tensor = func(tensor, memo)
        if self.placement.holds(tensor):
            self.counts.launches["clone"] += 1
            self.placement.put(copied)
        return copied

    def one_hot(self, func: Any, tensor: Tensor, num_classes: int = -1) -> Tensor:
        """On a CPU alone PyTorch looks at the least and the largest number."""
        with torch._C._DisableTorchDispatch():
            made: Tensor = func(tensor, num_classes)
        if self.placement.holds(tensor):
            self.counts.launches.update(["zeros", "scatter_"])
            self.counts.waits.update(["item"] * (num_classes < 0))
            self.placement.put(made)
        return made

    def recurrent(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """cuDNN's GRU and LSTM: one operation for all times and layers, and one for the way back."""
        given = list(tensors_in(args))
        data, *others = [tensor for tensor in given if tensor.is_floating_point()]
        where = self.placement.holds(data)
        if any(self.placement.holds(other) != where for other in others):
            raise RuntimeError(f"{func.__name__}: expected all tensors to be on the same device (simulated device)")
        if not where or not self.fused:
            with self.asked(where):
                return func(*args, **kwargs)
        return fused(func, args, kwargs, self)

    # Looking at what is in them

    def numpy(self, func: Any, tensor: Tensor, *, force: bool = False) -> Any:
        return func(self.moved(tensor.detach(), False) if force else self.on_host(tensor, "numpy()"), force=force)

    def as_array(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        return func(self.on_host(tensor, "numpy.asarray"), *args, **kwargs)

    def on_host(self, tensor: Tensor, purpose: str) -> Tensor:
        if self.placement.holds(tensor):
            raise TypeError(f"{purpose} cannot take a tensor on cuda:0; use Tensor.cpu() first (simulated device)")
        return tensor

    def tolist(self, func: Any, tensor: Tensor) -> Any:
        if self.placement.holds(tensor):
            self.counts.waits["tolist"] += 1
        return func(tensor)


class Moved(torch.autograd.Function):
    """A copy on the other side, whose gradient comes back to this one."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, placement: Placement, on_device: bool) -> Tensor:
        ctx.placement, ctx.on_device = placement, on_device
        return copied(tensor, placement, on_device)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return Moved.apply(gradients[0], ctx.placement, not ctx.on_device), None, None  # type: ignore[no-untyped-call]


def copied(tensor: Tensor, placement: Placement, on_device: bool) -> Tensor:
    """New memory on the named side. Nothing below sees it made: a copy is no launch."""
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        made = tensor.detach().clone()
        if on_device:
            placement.put(made)
    return made


def fused(func: Any, args: Any, kwargs: Any, calls: Calls) -> Any:
    """Call `func`, whose results are tensors, so that nothing below sees more of it than one launch each way."""
    given = [tensor for tensor in tensors_in(args) if tensor.is_floating_point()]

    def run(replaced: Sequence[Tensor]) -> tuple[Tensor, ...]:
        left = iter(replaced)

        def exchanged(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(exchanged(one) for one in value)
            return next(left) if isinstance(value, Tensor) and value.is_floating_point() else value

        found: tuple[Tensor, ...] = func(*exchanged(args), **kwargs)
        return found

    return Fused.apply(run, func.__name__, calls, *given)  # type: ignore[no-untyped-call]


class Fused(torch.autograd.Function):
    """One operation with a derivative, whatever it is made of."""

    @staticmethod
    def forward(ctx: Any, run: Any, name: str, calls: Calls, *given: Tensor) -> tuple[Tensor, ...]:
        ctx.calls, ctx.name = calls, name
        calls.counts.launches[name] += 1
        with torch._C._DisableTorchDispatch():
            if any(ctx.needs_input_grad):
                ctx.given = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in given]
                with torch.enable_grad():
                    ctx.made = run(ctx.given)
                made = tuple(tensor.detach() for tensor in ctx.made)
            else:
                made = tuple(run(given))
        for tensor in made:
            calls.placement.put(tensor)
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        ctx.calls.counts.launches[f"{ctx.name} backwards"] += 1
        wanted = [tensor for tensor in ctx.given if tensor.requires_grad]
        with torch._C._DisableTorchDispatch():
            found = iter(torch.autograd.grad(ctx.made, wanted, gradients, allow_unused=True))
        back = [next(found) if tensor.requires_grad else None for tensor in ctx.given]
        for gradient in back:
            if gradient is not None:
                ctx.calls.placement.put(gradient)
        return None, None, None, *back
