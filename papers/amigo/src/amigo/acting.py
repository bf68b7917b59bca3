"""The student's forward pass for actors on a CPU: the numbers of `Student.forward` by few operations."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from amigo import kernels
from amigo.convolutions import Prepared, sees_all_once
from amigo.networks import CARRIED_FEATURES, Student


class Acting:
    """Made for one number of environments and one set of weights; every call overwrites the same buffers.

    The same products in the same order as the student's own, which takes any shape and gives gradients, so that both
    are equal bit for bit (tests/test_acting.py).
    """

    def __init__(self, student: Student, prepared: Prepared, rows: int) -> None:
        """`student` has no LSTM."""
        with torch.inference_mode(False):  # so that the buffers serve inside and outside of that mode
            self.make(student, prepared, rows)

    def make(self, student: Student, prepared: Prepared, rows: int) -> None:
        self.stack, self.prepared = student.stack, prepared
        neighbours = self.stack.neighbours
        self.tables = [weight.detach().numpy() for weight in (prepared.table, prepared.bias, prepared.goal_weights)]
        self.carried = [self.stack.embedding(name).detach().numpy() for name in ("object", "colour")]
        self.codes = np.empty((rows, self.stack.width * self.stack.height), np.int16)
        self.first = torch.empty(rows, len(neighbours[0]), len(prepared.bias))
        self.columns = [
            None if sees_all_once(here, len(cells)) else torch.empty(rows, *here.shape, len(matrix) // here.shape[1])
            for here, cells, (matrix, _) in zip(neighbours[1:], neighbours[:-1], prepared.matrices, strict=True)
        ]
        self.outputs = [
            torch.empty(rows * len(here), len(bias))
            for here, (_, bias) in zip(neighbours[1:], prepared.matrices, strict=True)
        ]
        layers = [cast(nn.Linear, layer) for layer in (*student.hidden, student.policy)]
        self.layers = [(layer.weight.detach().t(), layer.bias.detach()) for layer in layers]
        features = len(neighbours[-1]) * self.outputs[-1].shape[1]
        self.inputs = torch.empty(rows, features + CARRIED_FEATURES)
        self.activations = [torch.empty(rows, len(bias)) for _, bias in self.layers[:-1]]

    def logits(self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor) -> Tensor:
        """frames (E, W, H, 3) uint8, carried object and colour (E,) uint8, goals (E,) -> (E, actions), a new tensor."""
        stack = self.stack
        table, bias, goal_weights = self.tables
        kernels.look_up(
            frames.numpy(), goals.numpy(), stack.with_goal, stack.neighbours[0], table, bias, goal_weights, self.codes,
            self.first.numpy(),
        )  # fmt: skip
        x = functional.elu_(self.first)
        rows = len(frames)
        for here, (matrix, its_bias), columns, output in zip(
            stack.neighbours[1:], self.prepared.matrices, self.columns, self.outputs, strict=True
        ):
            if columns is not None:
                kernels.gather(x.numpy(), here, columns.numpy())
                x = columns
            torch.addmm(its_bias.detach(), x.view(len(output), -1), matrix.detach(), out=output)
            x = functional.elu_(output).view(rows, len(here), -1)
        objects, colours = carried
        kernels.student_inputs(
            x.numpy(), objects.numpy(), colours.numpy(), self.carried[0], self.carried[1], self.inputs.numpy()
        )
        x = self.inputs
        for (weight, its_bias), activation in zip(self.layers[:-1], self.activations, strict=True):
            x = torch.addmm(its_bias, x, weight, out=activation).relu_()
        weight, its_bias = self.layers[-1]
        return torch.addmm(its_bias, x, weight)
