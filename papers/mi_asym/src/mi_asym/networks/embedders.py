"""Embedders of observations, states and actions (card 2.5, 5.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, relu

from mi_asym.networks.layers import convolution, linear

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Distinct:
    """Many vectors of which few differ: `values[where]` are all of them.

    Grids have 15 to 1,129 observations, so that a batch of 3,264 steps repeats a few; embedding each of them once is
    the same sum.
    """

    values: Tensor
    """(distinct, size)"""
    where: Tensor | None
    """(steps,) of rows in `values`; None: all in their order."""

    def embedded(self, module: nn.Module) -> Distinct:
        """`module` of every vector, still without repetitions."""
        return Distinct(module(self.values), self.where)

    def rows(self, index: Tensor | slice) -> Distinct:
        """Some of the vectors, by row."""
        if self.where is None:
            return Distinct(self.values[index], None)
        return Distinct(self.values, self.where[index])

    @property
    def all(self) -> Tensor:
        """(steps, size)"""
        return self.values if self.where is None else self.values[self.where]

    def __len__(self) -> int:
        return len(self.values) if self.where is None else len(self.where)


def distinct_rows(table: Tensor, index: Tensor) -> Distinct:
    """`table[index]` as distinct rows; index (steps,)."""
    if len(table) <= 64 or index.is_cuda:  # sorting, and on a card waiting for it, costs more than embedding them all
        return Distinct(table, index)
    present, where = torch.unique(index, return_inverse=True)
    return Distinct(table[present], where)


def joint_linear(weight: Tensor, bias: Tensor, *parts: Distinct) -> Tensor:
    """A linear layer of vectors side by side, each part's product computed once per distinct vector.

    weight: (outputs, sum of the parts' sizes); returns (steps, outputs).
    """
    columns = torch.split(weight, [part.values.shape[1] for part in parts], 1)
    total: Tensor = bias
    added = False
    for part, column in sorted(zip(parts, columns, strict=True), key=lambda pair: pair[0].where is None):
        if part.where is None:  # all rows; what the repeated parts came to is added in the product
            total = torch.addmm(total, part.values, column.T)
        else:  # the bias goes into the first table
            table = part.values @ column.T
            total = total + embedding(part.where, table) if added else embedding(part.where, table + bias)
        added = True
    return total


class VectorEmbedder(nn.Module):
    """Linear and ReLU."""

    def __init__(self, inputs: int, width: int, draw: torch.Generator) -> None:
        super().__init__()
        self.linear = linear(inputs, width, draw)
        self.width = width

    def forward(self, vectors: Tensor) -> Tensor:
        """(steps, inputs) -> (steps, width)."""
        return relu(self.linear(vectors))


Convolutions = tuple[tuple[int, int, int], ...]
GRID_LAYERS: Convolutions = ((8, 2, 1), (16, 2, 1))
ROBOT_LAYERS: Convolutions = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""(channels, kernel, stride) of each convolution."""


class ImageEmbedder(nn.Module):
    """Convolutions with ReLU, then a linear layer without; pixels are not scaled."""

    def __init__(self, shape: Shape, width: int, draw: torch.Generator, convolutions: Convolutions = ()) -> None:
        """convolutions: those of `GRID_LAYERS` or, for large images, `ROBOT_LAYERS` where none are given."""
        super().__init__()
        self.shape, self.width = shape, width
        channels, side = shape[0], shape[1]
        layers: list[nn.Module] = []
        for outputs, kernel, stride in convolutions or (ROBOT_LAYERS if side > 20 else GRID_LAYERS):
            layers += [convolution(channels, outputs, kernel, stride, draw), nn.ReLU()]
            channels, side = outputs, (side - kernel) // stride + 1
        self.convolutions = nn.Sequential(*layers)
        self.linear = linear(channels * side * side, width, draw)

    def forward(self, flat: Tensor) -> Tensor:
        """(steps, channels * rows * columns) -> (steps, width)."""
        outputs: Tensor = self.linear(self.convolutions(flat.view(len(flat), *self.shape)).flatten(1))
        return outputs


def make_embedder(size: int, shape: Shape | None, width: int, draw: torch.Generator) -> VectorEmbedder | ImageEmbedder:
    """For images where there is a shape, else for vectors of `size`."""
    return ImageEmbedder(shape, width, draw) if shape else VectorEmbedder(size, width, draw)
