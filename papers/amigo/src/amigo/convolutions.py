"""Cells to features: embeddings and 3x3 convolutions, by PyTorch's own operators or, on a CPU, by tables and products.

The grids are so small that a convolution library spends its time on overhead. On a CPU the first convolution over
embedded cells is a table, as a cell can look in 264 ways only; each later one is a gather and a matrix product, without
the taps that never meet the grid. `ConvolutionStack.plain` is the same as it is defined, for GPUs and for the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from amigo import kernels
from amigo.envs.codes import CELL_CODES, COLOURS, OBJECTS, STATES

EMBEDDINGS = {"object": (OBJECTS, 5), "colour": (COLOURS, 3), "state": (STATES, 2)}
CELL_FEATURES = 10


@cache
def neighbourhood(width: int, height: int, stride: int) -> tuple[np.ndarray, int, int]:
    """(P, 9) cells y * width + x under the taps of a 3x3 convolution with padding 1, -1 outside; new width, height."""
    columns, rows = (width - 1) // stride + 1, (height - 1) // stride + 1
    cells = np.full((rows * columns, 9), -1, np.int64)
    for y, x, tap in np.ndindex(rows, columns, 9):
        at_y, at_x = stride * y + tap // 3 - 1, stride * x + tap % 3 - 1
        if 0 <= at_y < height and 0 <= at_x < width:
            cells[y * columns + x, tap] = at_y * width + at_x
    return cells, columns, rows


@dataclass(frozen=True)
class Prepared:
    """A stack's weights in the form that the CPU path uses; made anew after each update."""

    table: Tensor
    """(9, CELL_CODES, C): what a cell of each look adds to the first convolution, for each tap."""
    goal_weights: Tensor
    """(9, C): what the goal adds."""
    bias: Tensor
    matrices: list[tuple[Tensor, Tensor]]
    """((taps * C_in, C_out), bias) of each later convolution."""


class ConvolutionStack(nn.Module):
    """Embeddings of object, colour and state, then 3x3 convolutions with padding 1, each with ELU (card 5.1-5.2)."""

    def __init__(self, width: int, height: int, channels: tuple[int, ...], stride: int, with_goal: bool) -> None:
        super().__init__()
        self.width, self.height, self.stride, self.with_goal = width, height, stride, with_goal
        self.embeddings = nn.ModuleDict({name: nn.Embedding(*size) for name, size in EMBEDDINGS.items()})
        inputs = (CELL_FEATURES + with_goal, *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride, 1) for before, after in zip(inputs, channels, strict=False)
        )
        self.neighbours: list[np.ndarray] = []
        self.taps: list[np.ndarray] = []
        for _ in channels:
            cells, width, height = neighbourhood(width, height, stride)
            used = np.flatnonzero((cells >= 0).any(0))
            self.taps.append(used)
            self.neighbours.append(np.ascontiguousarray(cells[:, used]) if self.neighbours else cells)

    @property
    def convolution_parameters(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of each convolution."""
        return [(cast(nn.Conv2d, one).weight, cast(Tensor, cast(nn.Conv2d, one).bias)) for one in self.convolutions]

    def embedding(self, name: str) -> Tensor:
        """The table of an embedding."""
        return cast(nn.Embedding, self.embeddings[name]).weight

    def forward(self, frames: Tensor, goals: Tensor | None = None, prepared: Prepared | None = None) -> Tensor:
        """frames (N, W, H, 3) uint8, goals (N,) or None -> (N, C * P), the channels' planes one after the other."""
        if frames.device.type != "cpu":
            return self.plain(frames, goals)
        return self.fast(frames, goals, prepared or self.prepare())

    def plain(self, frames: Tensor, goals: Tensor | None) -> Tensor:
        """The definition, by PyTorch's own embedding and convolution."""
        cells = frames.long()
        parts = [functional.embedding(cells[..., i], self.embedding(name)) for i, name in enumerate(EMBEDDINGS)]
        if self.with_goal:
            assert goals is not None
            parts.append(functional.one_hot(goals, self.width * self.height).view(*frames.shape[:3], 1).to(parts[0]))
        planes = torch.cat(parts, -1).transpose(1, 3)
        for weight, bias in self.convolution_parameters:
            planes = functional.elu(functional.conv2d(planes, weight, bias, self.stride, 1))
        return planes.flatten(1)

    def prepare(self) -> Prepared:
        """Weights for the CPU path; gradients flow through it."""
        (first, bias), *later = self.convolution_parameters
        objects, colours, states = (self.embedding(name) for name in EMBEDDINGS)
        every = (OBJECTS, COLOURS, STATES, -1)
        looks = torch.cat(
            [
                objects[:, None, None].expand(every),
                colours[None, :, None].expand(every),
                states[None, None].expand(every),
            ],
            -1,
        ).reshape(CELL_CODES, CELL_FEATURES)
        by_tap = first.permute(2, 3, 1, 0).reshape(9, first.shape[1], first.shape[0])
        table = looks @ by_tap[:, :CELL_FEATURES]
        goal_weights = by_tap[:, CELL_FEATURES] if self.with_goal else torch.zeros_like(by_tap[:, 0])
        matrices = []
        for taps, (weight, its_bias) in zip(self.taps[1:], later, strict=True):
            matrix = weight.permute(2, 3, 1, 0).reshape(9, weight.shape[1], weight.shape[0])
            matrix = matrix if len(taps) == 9 else matrix[torch.from_numpy(taps)]
            matrices.append((matrix.reshape(-1, weight.shape[0]), its_bias))
        return Prepared(table.contiguous(), goal_weights.contiguous(), bias, matrices)

    def prepare_to_act(self) -> Prepared | None:
        """The same without gradients, to be used until the weights change; None on a GPU, which runs `plain`."""
        if self.embedding("object").device.type != "cpu":
            return None
        with torch.no_grad():
            return self.prepare()

    def fast(self, frames: Tensor, goals: Tensor | None, prepared: Prepared) -> Tensor:
        """As `plain`, on a CPU."""
        codes = np.empty((len(frames), self.width * self.height), np.int16)
        kernels.cell_codes(frames.numpy(), codes)
        goal_cells = np.full(len(frames), -1, np.int64)
        if self.with_goal:
            assert goals is not None
            goal_cells = (goals % self.height * self.width + goals // self.height).numpy()
        learning = torch.is_grad_enabled() and prepared.table.requires_grad
        look_up = LookUp.apply if learning else look_up_without_gradient
        x = look_up(prepared.table, prepared.goal_weights, prepared.bias, codes, self.neighbours[0], goal_cells)
        convolve = Convolve.apply if learning else convolve_without_gradient
        for neighbours, (matrix, bias) in zip(self.neighbours[1:], prepared.matrices, strict=True):
            x = convolve(x, matrix, bias, neighbours)
        return cast(Tensor, x.transpose(1, 2).flatten(1))


def look_up_without_gradient(
    table: Tensor, goal_weights: Tensor, bias: Tensor, codes: np.ndarray, neighbours: np.ndarray, goal_cells: np.ndarray
) -> Tensor:
    """The first convolution and its ELU: (N, P, C)."""
    out = torch.empty(len(codes), len(neighbours), len(bias))
    weights = [weight.detach().numpy() for weight in (table, bias, goal_weights)]
    kernels.table_forward(codes, neighbours, weights[0], weights[1], weights[2], goal_cells, out.numpy())
    return functional.elu_(out)


def sees_all_once(neighbours: np.ndarray, cells: int) -> bool:
    """Whether there is one output position, whose taps meet every cell in order: then gathering is reshaping."""
    return neighbours.shape == (1, cells)


def columns_of(x: Tensor, neighbours: np.ndarray) -> Tensor:
    """(N * P, taps * C): under each output position, the cells that its taps meet."""
    x = x.detach()
    if sees_all_once(neighbours, x.shape[1]):
        return x.reshape(len(x), -1)
    columns = torch.empty(len(x), *neighbours.shape, x.shape[2])
    kernels.gather(x.numpy(), neighbours, columns.numpy())
    return columns.view(len(x) * len(neighbours), -1)


def convolve_without_gradient(x: Tensor, matrix: Tensor, bias: Tensor, neighbours: np.ndarray) -> Tensor:
    """A later convolution and its ELU: (N, cells, C) -> (N, P, C_out)."""
    out = torch.addmm(bias, columns_of(x, neighbours), matrix)
    return functional.elu_(out).view(len(x), len(neighbours), -1)


def through_elu(d_out: Tensor, out: Tensor) -> Tensor:
    """The gradient before ELU from the one after it and ELU's result."""
    return torch.ops.aten.elu_backward(d_out, 1.0, 1.0, 1.0, True, out)  # type: ignore[no-any-return]


class LookUp(torch.autograd.Function):
    """`look_up_without_gradient` with its derivative by table, goal weights and bias."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, goal_weights: Tensor, bias: Tensor, *rest: np.ndarray) -> Tensor:
        codes, neighbours, goal_cells = rest
        out = look_up_without_gradient(table, goal_weights, bias, codes, neighbours, goal_cells)
        ctx.save_for_backward(out)
        ctx.rest = rest
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        (out,), (codes, neighbours, goal_cells) = ctx.saved_tensors, ctx.rest
        d_out = through_elu(d_out, out).contiguous()
        channels = d_out.shape[2]
        d_table, d_goal = torch.zeros(9, CELL_CODES, channels), torch.zeros(9, channels)
        kernels.table_backward(codes, neighbours, goal_cells, d_out.numpy(), d_table.numpy(), d_goal.numpy())
        return d_table, d_goal, d_out.sum((0, 1)), None, None, None


class Convolve(torch.autograd.Function):
    """`convolve_without_gradient` with its derivative by input, matrix and bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, bias: Tensor, neighbours: np.ndarray) -> Tensor:
        columns = columns_of(x, neighbours)
        out = functional.elu_(torch.addmm(bias, columns, matrix))
        ctx.save_for_backward(columns, matrix, out)
        ctx.neighbours, ctx.shape = neighbours, x.shape
        return out.view(len(x), len(neighbours), -1)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        columns, matrix, out = ctx.saved_tensors
        d_out = through_elu(d_out.reshape(out.shape), out)
        d_columns = d_out @ matrix.t()
        if sees_all_once(ctx.neighbours, ctx.shape[1]):
            d_x = d_columns.view(ctx.shape)
        else:
            d_x = torch.zeros(ctx.shape)
            d_columns = d_columns.view(ctx.shape[0], *ctx.neighbours.shape, ctx.shape[2])
            kernels.scatter(d_columns.numpy(), ctx.neighbours, d_x.numpy())
        return d_x, columns.t() @ d_out, d_out.sum(0), None
