"""Planted faults: what a card refuses is refused, and what it takes is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.usefixtures("counts")


def on_device(*shape: int, **options: Any) -> Tensor:
    return torch.ones(*shape, device="cuda", **options)


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "two devices in a sum": (lambda: on_device(3) + torch.ones(3), "same device"),
    "two devices the other way": (lambda: torch.ones(3) * on_device(3), "same device"),
    "a device scalar beside a CPU tensor": (lambda: torch.ones(3) + on_device(()), "same device"),
    "two devices in a product": (lambda: on_device(2, 2) @ torch.ones(2, 2), "same device"),
    "two devices in a concatenation": (lambda: torch.cat([on_device(2), torch.ones(2)]), "same device"),
    "two devices in a stack": (lambda: torch.stack([on_device(()), torch.ones(())]), "same device"),
    "two devices in a choice": (lambda: torch.where(on_device(2) > 0, on_device(2), torch.ones(2)), "same device"),
    "a sum written into a CPU tensor": (lambda: torch.add(on_device(2), 1, out=torch.ones(2)), "same device"),
    "a sum added to a CPU scalar": (lambda: torch.ones(()).add_(on_device(())), "same device"),
    "a gather by a CPU tensor": (lambda: on_device(3).gather(0, torch.zeros(1, dtype=torch.int64)), "same device"),
    "many sums of two devices": (lambda: torch._foreach_add([on_device(2)], [torch.ones(2)]), "same device"),
    "many products with a CPU number": (lambda: torch._foreach_mul([on_device(2)], torch.ones(())), "same device"),
    "a module on the CPU": (lambda: torch.nn.Linear(2, 2)(on_device(1, 2)), "same device"),
    "an input on the CPU": (lambda: torch.nn.Linear(2, 2).to("cuda")(torch.ones(1, 2)), "same device"),
    "a recurrent module on the CPU": (lambda: torch.nn.GRU(2, 2)(on_device(1, 1, 2)), "same device"),
    "a loss of two devices": (lambda: torch.nn.functional.mse_loss(on_device(2), torch.ones(2)), "same device"),
    "a CPU tensor indexed by the device": (
        lambda: torch.ones(3)[on_device(1, dtype=torch.int64)], "indices should be on the CPU"
    ),
    "a CPU tensor masked by the device": (lambda: torch.ones(3)[on_device(3) > 0], "indices should be on the CPU"),
    "a CPU tensor written by device indices": (
        lambda: torch.ones(3).index_put_((on_device(1, dtype=torch.int64),), torch.ones(1)), "indices should be on the"
    ),
    "values on the CPU written by indices": (
        lambda: on_device(3).index_put_((torch.zeros(2, dtype=torch.int64),), torch.ones(2)), "same device"
    ),
    "numpy": (lambda: on_device(3).numpy(), "use Tensor.cpu"),
    "numpy of a view": (lambda: on_device(3)[1:].numpy(), "use Tensor.cpu"),
    "numpy of a detached parameter": (
        lambda: torch.nn.Linear(2, 2).to("cuda").weight.detach().numpy(), "use Tensor.cpu"
    ),
    "numpy of what autograd kept": (
        lambda: Keeps.apply(on_device(3, requires_grad=True)).sum().backward(), "use Tensor.cpu"
    ),
    "numpy.asarray": (lambda: np.asarray(on_device(3)), "use Tensor.cpu"),
    "numpy's functions": (lambda: np.stack([on_device(3)]), "use Tensor.cpu"),
    "a CPU generator on the device": (lambda: torch.rand(2, device="cuda", generator=torch.Generator()), "'cuda'"),
    "a device generator on the CPU": (lambda: torch.rand(2, generator=torch.Generator("cuda")), "'cpu'"),
    "a CPU generator in place": (lambda: on_device(2).normal_(generator=torch.Generator()), "'cuda'"),
    "a CPU generator in an initialiser": (
        lambda: torch.nn.init.normal_(on_device(2), generator=torch.Generator()), "'cuda'"
    ),
    "a gradient of another device": (
        lambda: setattr(on_device(2, requires_grad=True), "grad", torch.ones(2)), "different device"
    ),
    "lengths on the device": (
        lambda: torch.nn.utils.rnn.pack_padded_sequence(on_device(3, 1, 2), on_device(1, dtype=torch.int64)), "lengths"
    ),
    "an optimiser's moments on the CPU": (lambda: step_with_moments_on_the_cpu(), "same device"),
    "memory of the device pinned": (lambda: on_device(2).pin_memory(), "pin"),
}  # fmt: skip


class Keeps(torch.autograd.Function):
    """A function whose backward pass looks at what it saved, as its authors tried on a CPU alone."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        ctx.saved_tensors[0].numpy()
        return gradients[0] * 2


def step_with_moments_on_the_cpu() -> None:
    layer = torch.nn.Linear(2, 2).to("cuda")
    optimiser = torch.optim.Adam(layer.parameters())
    for _ in range(2):
        layer(on_device(1, 2)).sum().backward()
        optimiser.step()
        for moments in optimiser.state.values():
            moments["exp_avg"] = moments["exp_avg"].cpu()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_card_refuses_is_refused(fault: str):
    program, complaint = FAULTS[fault]
    with pytest.raises((RuntimeError, TypeError), match=complaint):
        program()


TAKEN: dict[str, Callable[[], Any]] = {
    "a CPU scalar in a sum": lambda: on_device(3) + torch.tensor(2.0),
    "a CPU scalar as a bound": lambda: on_device(3).clamp(torch.tensor(0.0)),
    "a number": lambda: 2 * on_device(3) - 1,
    "CPU indices": lambda: on_device(3)[torch.zeros(2, dtype=torch.int64)],
    "a list of indices": lambda: on_device(3)[[0, 1]],
    "a number written by indices": lambda: on_device(3).index_put_(
        (torch.zeros(1, dtype=torch.int64),), torch.ones(())
    ),
    "a module that was moved": lambda: torch.nn.Linear(2, 2).to("cuda")(on_device(1, 2)),
    "lengths on the CPU": lambda: torch.nn.utils.rnn.pack_padded_sequence(on_device(3, 1, 2), torch.tensor([3])).data,
    "a generator of the device": lambda: torch.rand(2, device="cuda", generator=torch.Generator("cuda")),
    "zeros like": lambda: torch.zeros_like(on_device(2)),
    "new zeros": lambda: on_device(2).new_zeros(3),
    "new data": lambda: on_device(2).new_tensor([1.0]),
    "a tensor of numbers": lambda: torch.tensor([1.0, 2.0], device="cuda"),
    "an array": lambda: torch.as_tensor(np.ones(2), device="cuda"),
    "where another tensor is": lambda: torch.ones(2).to(on_device(1)),
    "a copy": lambda: __import__("copy").deepcopy(on_device(2)),
    "a copied module": lambda: __import__("copy").deepcopy(torch.nn.Linear(2, 2).to("cuda")).weight,
    "what `cuda` moves": lambda: torch.nn.Linear(2, 2).cuda().weight,
    "a gradient": lambda: gradient_of_a_layer(),
    "a gradient through a copy": lambda: gradient_through_a_copy(),
    "a device context": lambda: made_in_a_context(),
}


def gradient_of_a_layer() -> Tensor:
    layer = torch.nn.Linear(2, 2).to("cuda")
    layer(on_device(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    return layer.weight.grad


def gradient_through_a_copy() -> Tensor:
    values = torch.ones(3, requires_grad=True)
    (values.to("cuda") * on_device(3)).sum().backward()
    assert values.grad is not None
    assert values.grad.device.type == "cpu"
    return values.grad.to("cuda")


def made_in_a_context() -> Tensor:
    with torch.device("cuda"):
        return torch.ones(2)


@pytest.mark.parametrize("use", TAKEN)
def test_what_a_card_takes_is_taken_and_stays_on_it(use: str):
    result = TAKEN[use]()
    assert (result.device, result.is_cuda) == (torch.device("cuda", 0), True)


def test_what_stays_on_the_cpu():
    array = np.ones(3)
    assert torch.from_numpy(array).device.type == torch.zeros(2).device.type == "cpu"
    moved = torch.as_tensor(array, device="cuda")
    array[0] = 5  # the device has memory of its own
    assert moved.tolist() == [1, 1, 1]
    back = on_device(2).cpu()
    assert (back.device.type, back.numpy().tolist()) == ("cpu", [1, 1])
    assert on_device(2).to("cpu", torch.float64).dtype == torch.float64
    assert torch.zeros_like(on_device(2), device="cpu").device.type == "cpu"
