"""RMSprop and gradient clipping: equal to PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from amigo.networks import GridSize, Teacher, named_in_order
from amigo.optimiser import RmsProp


def teacher() -> Teacher:
    return Teacher(GridSize(5, 5), False, torch.Generator().manual_seed(0))


def loss_of(network: Teacher, number: int, scale: float) -> torch.Tensor:
    frames = torch.randint(0, 4, (6, 5, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
    output = network(frames)
    return scale * (output.logits.square().sum() + output.values.square().sum())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("scale", [1e-3, 10.0])
def test_five_steps_equal_pytorchs_clipping_and_rmsprop(momentum: float, scale: float):
    ours, theirs = teacher(), teacher()
    flat = RmsProp(ours, 0.99, momentum, 0.01, grad_norm=40.0)
    stock = torch.optim.RMSprop(theirs.parameters(), lr=1e-3, alpha=0.99, eps=0.01, momentum=momentum)
    for number in range(5):
        flat.step(loss_of(ours, number, scale), 1e-3)
        stock.zero_grad()
        loss_of(theirs, number, scale).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 40.0)
        stock.step()
    for (_, mine), (_, other) in zip(named_in_order(ours), named_in_order(theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_the_first_step_is_the_cards():
    network = teacher()
    optimiser = RmsProp(network, 0.99, 0.0, 0.01, grad_norm=1e9)
    before = optimiser.parameters.clone()
    optimiser.step(loss_of(network, 0, 1.0), 1e-3)
    gradient = optimiser.gradient
    expected = before - 1e-3 * gradient / (0.1 * gradient.abs() + 0.01)
    torch.testing.assert_close(optimiser.parameters, expected, rtol=1e-5, atol=1e-7)


def test_a_gradient_that_is_not_fresh_adds_to_the_last():
    network = teacher()
    optimiser = RmsProp(network, 0.99, 0.0, 0.01, grad_norm=40.0)
    optimiser.step(loss_of(network, 0, 1e-6), 0.0)
    once = optimiser.gradient.clone()
    optimiser.step(loss_of(network, 0, 1e-6), 0.0, fresh=False)
    torch.testing.assert_close(optimiser.gradient, 2 * once)
    optimiser.step(loss_of(network, 0, 1e-6), 0.0)
    torch.testing.assert_close(optimiser.gradient, once)


def test_parameters_are_views_of_one_vector_in_the_documented_order():
    network = teacher()
    optimiser = RmsProp(network, 0.99, 0.0, 0.01, 40.0)
    optimiser.parameters.fill_(2.0)
    assert all(bool((parameter == 2).all()) for parameter in network.parameters())
    names = [name for name, _ in named_in_order(network)]
    assert names[:4] == ["stack.embeddings.object.weight", "stack.embeddings.colour.weight",
                         "stack.embeddings.state.weight", "stack.convolutions.0.weight"]  # fmt: skip
    assert names[-2:] == ["baseline.weight", "baseline.bias"]
