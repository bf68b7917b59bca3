"""Trust-region policy optimisation: the step's direction, its length and the line search (card 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
SMALL_RESIDUAL = 1e-10
"""Conjugate gradient stops when the squared residual falls below it."""


def conjugate_gradient(product: Product, target: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """x with `product(x)` close to `target`, from x = 0, and what is left of `target`, target - product(x).

    Vectors are (parameters,). Source: card 5.4.
    """
    solution, residual, direction = torch.zeros_like(target), target.clone(), target.clone()
    squared = residual @ residual
    for _ in range(iterations):
        if squared < SMALL_RESIDUAL:
            break
        image = product(direction)
        length = squared / (direction @ image)
        solution = solution + length * direction
        residual = residual - length * image
        previous, squared = squared, residual @ residual
        direction = residual + (squared / previous) * direction
    return solution, residual


def natural_step(product: Product, gradient: Tensor, iterations: int, max_kl: float) -> Tensor | None:
    """The longest step along the natural gradient whose quadratic KL divergence stays within `max_kl`.

    `product` multiplies with the (damped) Hessian of the KL divergence. None where there is no such step: a zero
    gradient or a curvature that is not positive. The released code divided 0 by 0 there and then rejected every
    candidate (ledger 11).
    """
    if not gradient.any():
        return None
    direction, residual = conjugate_gradient(product, gradient, iterations)
    half_curvature = 0.5 * (direction @ (gradient - residual))  # its product is known, without another pass
    if not (half_curvature.isfinite() and half_curvature > 0):
        return None
    return direction * (max_kl / half_curvature).sqrt()


@dataclass(frozen=True)
class Searched:
    """What a line search ended with."""

    parameters: Tensor
    """Unchanged where no candidate was accepted."""
    loss: float
    kl: float
    tried: int
    accepted: bool


def line_search(
    evaluate: Callable[[Tensor], tuple[Tensor, Tensor]],
    parameters: Tensor,
    step: Tensor | None,
    old_loss: Tensor,
    max_kl: float,
    ratio: float,
    most: int,
) -> Searched:
    """The first of `parameters - ratio^k step`, k = 0 ... most - 1, that lowers the loss within the trust region.

    `evaluate` returns mean loss and mean KL divergence of a candidate. `step` may be None: nothing is tried.
    """
    for k in range(most if step is not None else 0):
        assert step is not None
        candidate = parameters - ratio**k * step
        loss, kl = evaluate(candidate)
        if loss - old_loss < 0 and kl < max_kl:
            return Searched(candidate, float(loss), float(kl), k + 1, True)
    return Searched(parameters, float(old_loss), 0.0, most if step is not None else 0, False)
