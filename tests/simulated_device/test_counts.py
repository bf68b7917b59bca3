"""Launches, waits and copies are counted, each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from simulated_device import Counts


def on_device(*shape: int, **options: Any) -> torch.Tensor:
    return torch.ones(*shape, device="cuda", **options)


WAITED_FOR: dict[str, tuple[str, Callable[[torch.Tensor], Any]]] = {
    "item": ("item", lambda x: x[0].item()),
    "bool": ("item", lambda x: bool(x[0])),
    "int": ("item", lambda x: int(x[0])),
    "float": ("item", lambda x: float(x[0])),
    "index": ("item", lambda x: [7, 8][x[0].long()]),
    "condition": ("item", lambda x: 1 if x.any() else 0),
    "text": ("item", lambda x: f"{x[0]:.1f}"),
    "tolist": ("tolist", lambda x: x.tolist()),
    "cpu": ("copy to the host", lambda x: x.cpu()),
    "to cpu": ("copy to the host", lambda x: x.to("cpu")),
    "copied into a CPU tensor": ("copy to the host", lambda x: torch.zeros(3).copy_(x)),
    "written into a CPU tensor": ("copy to the host", lambda x: torch.zeros(3).__setitem__(slice(None), x)),
    "numpy by force": ("copy to the host", lambda x: x.numpy(force=True)),
    "nonzero": ("nonzero", lambda x: x.nonzero()),
    "mask": ("mask as index", lambda x: x[x > 0]),
    "writing by a mask": ("mask as index", lambda x: x.__setitem__(x > 0, x + 1)),
    "masked_select": ("masked_select", lambda x: x.masked_select(x > 0)),
    "unique": ("unique", lambda x: x.unique()),
    "equal": ("equal", lambda x: torch.equal(x, x)),
    "repeat_interleave": ("repeat_interleave", lambda x: x.repeat_interleave(x.long())),
    "one_hot of who knows how many": ("item", lambda x: torch.nn.functional.one_hot(x.long())),
    "multinomial": ("multinomial", lambda x: x.multinomial(1)),
    "linear algebra": ("errors of linear algebra", lambda x: torch.linalg.solve(torch.diag(x), x)),
    "to the device": ("copy to the device", lambda x: torch.ones(2).to("cuda")),
    "made on the device from numbers": ("copy to the device", lambda x: torch.tensor([1.0], device="cuda")),
    "written into a device tensor": ("copy to the device", lambda x: x.copy_(torch.ones(3))),
    "synchronize": ("synchronize", lambda x: torch.cuda.synchronize()),
    "event": ("event", lambda x: torch.cuda.Event().synchronize()),
}


@pytest.mark.parametrize("kind", WAITED_FOR)
def test_each_kind_of_wait_is_counted_once(counts: Counts, kind: str):
    name, program = WAITED_FOR[kind]
    x = on_device(3)
    before = counts.copy()
    program(x)
    assert dict(counts.since(before).waits) == {name: 1}


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x + 1,
        lambda x: x.view(3, 1).expand(3, 2),
        lambda x: torch.ones(3).pin_memory().to("cuda", non_blocking=True),
        lambda x: x[torch.zeros(2, dtype=torch.int64)],
        lambda x: x.repeat_interleave(x.long(), output_size=3),
        lambda x: x.shape[0] + len(x) + x.numel(),
        lambda x: torch.nn.functional.one_hot(x.long(), 3) + x[:, None],
        lambda x: x.to("cuda"),
        lambda x: torch.ones(3).tolist(),
        lambda x: torch.linalg.solve_ex(torch.diag(x), x),
    ],
)
def test_what_needs_no_wait_counts_none(counts: Counts, program: Callable[[torch.Tensor], Any]):
    x = on_device(3)
    before = counts.copy()
    program(x)
    assert not counts.since(before).waits


def test_launches_of_forward_backward_and_optimiser_are_counted(counts: Counts):
    layer = torch.nn.Linear(3, 2).to("cuda")
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    x = on_device(4, 3)
    before = counts.copy()
    loss = layer(x).square().sum()
    forward = counts.since(before).launches
    assert forward == {"addmm": 1, "pow": 1, "sum": 1}
    before = counts.copy()
    loss.backward()
    backward = counts.since(before).launches
    assert (backward["mm"], backward["sum"]) == (1, 1)  # the weight's gradient, the bias's
    before = counts.copy()
    optimiser.step()
    assert counts.since(before).launches == {"_foreach_add_": 1}


def test_views_memory_and_copies_are_no_launches(counts: Counts):
    x = on_device(4, 3)
    before = counts.copy()
    x[1:].T.unsqueeze(0).detach()
    torch.empty(3, device="cuda")
    torch.ones(3).to("cuda").cpu()
    found = counts.since(before)
    assert not found.launches
    assert dict(found.copies) == {"copy to the device": 1, "copy to the host": 1}


def test_work_on_the_cpu_is_not_counted(counts: Counts):
    layer = torch.nn.Linear(3, 2)
    layer(torch.ones(4, 3)).sum().backward()
    float(torch.ones(1))
    assert counts == Counts()
