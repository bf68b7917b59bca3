"""The student's forward and backward pass for the learner on a CPU: the numbers of autograd, in memory made once."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from amigo import kernels
from amigo.convolutions import Prepared, sees_all_once
from amigo.networks import CARRIED_FEATURES, PolicyOutput, Student


def gradient_of(parameter: Tensor) -> Tensor:
    """Of a parameter that has one."""
    return cast(Tensor, parameter.grad)


def through_elu(d_out: Tensor, out: Tensor, into: Tensor) -> Tensor:
    """The gradient before ELU from the one after it and ELU's result; `into` may be `d_out` itself."""
    return cast(Tensor, torch.ops.aten.elu_backward.grad_input(d_out, 1.0, 1.0, 1.0, True, out, grad_input=into))


class Learning:
    """Made for one number of states; every pass overwrites the same buffers.

    Equal bit for bit to `Student.forward` and autograd (tests/test_acting.py): the same products in the same order.
    """

    def __init__(self, student: Student, rows: int) -> None:
        """`student` has no LSTM, and its gradients are views that stay (`RmsProp`)."""
        self.student, self.stack, self.rows = student, student.stack, rows
        neighbours, channels = self.stack.neighbours, [len(bias) for _, bias in self.stack.convolution_parameters]
        self.codes = np.empty((rows, self.stack.width * self.stack.height), np.int16)
        self.goal_cells = np.full(rows, -1, np.int64)
        self.outputs = [torch.empty(rows * len(here), C) for here, C in zip(neighbours, channels, strict=True)]
        self.copies = [
            not sees_all_once(here, len(cells)) for here, cells in zip(neighbours[1:], neighbours[:-1], strict=True)
        ]
        self.columns = [
            torch.empty(rows * len(here), here.shape[1] * C)
            for here, C in zip(neighbours[1:], channels[:-1], strict=True)
        ]
        self.layers = [cast(nn.Linear, layer) for layer in student.hidden]
        self.inputs = torch.empty(rows, len(neighbours[-1]) * channels[-1] + CARRIED_FEATURES)
        self.activations = [torch.empty(rows, layer.out_features) for layer in self.layers]
        # Gradients by these buffers. New memory at every update costs a sixth of its time in page faults.
        self.d_outputs = [torch.empty_like(buffer) for buffer in self.outputs]
        self.d_columns = [torch.empty_like(buffer) for buffer in self.columns]
        self.d_activations = [torch.empty_like(buffer) for buffer in self.activations]
        self.d_inputs, self.d_values = torch.empty_like(self.inputs), torch.empty_like(self.activations[-1])
        layers = [*self.layers, student.policy, student.baseline]
        self.d_weights = {layer: torch.empty_like(layer.weight, requires_grad=False) for layer in layers}

    def forward(self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor) -> PolicyOutput:
        """frames (T, B, W, H, 3), carried object and colour (T, B), goals (T, B) -> logits and values, as leaves."""
        time, batch = frames.shape[:2]
        self.prepared = self.stack.prepare()
        with torch.no_grad():
            x = self.convolve(frames.flatten(0, 1), goals.flatten(), self.prepared)
            self.carried = [what.flatten().long() for what in carried]
            objects, colours = (what.flatten().numpy() for what in carried)
            of_object, of_colour = (self.stack.embedding(name).detach().numpy() for name in ("object", "colour"))
            kernels.student_inputs(x.numpy(), objects, colours, of_object, of_colour, self.inputs.numpy())
            features = self.inputs
            for layer, activation in zip(self.layers, self.activations, strict=True):
                features = torch.addmm(layer.bias, features, layer.weight.t(), out=activation).relu_()
            logits, values = self.student.policy(features), self.student.baseline(features)
        return PolicyOutput(logits.view(time, batch, -1).requires_grad_(), values.view(time, batch).requires_grad_())

    def convolve(self, frames: Tensor, goals: Tensor, prepared: Prepared) -> Tensor:
        """The features (N, P, C) of the last convolution; what `backward` needs stays in the buffers."""
        kernels.cell_codes(frames.numpy(), self.codes)
        if self.stack.with_goal:
            self.goal_cells = (goals % self.stack.height * self.stack.width + goals // self.stack.height).numpy()
        first, neighbours = self.outputs[0].view(self.rows, len(self.stack.neighbours[0]), -1), self.stack.neighbours
        table, its_bias, of_goal = (
            weight.detach().numpy() for weight in (prepared.table, prepared.bias, prepared.goal_weights)
        )
        kernels.table_forward(self.codes, neighbours[0], table, its_bias, of_goal, self.goal_cells, first.numpy())
        x = functional.elu_(first)
        for i, (here, (matrix, bias)) in enumerate(zip(neighbours[1:], prepared.matrices, strict=True)):
            if self.copies[i]:
                kernels.gather(x.numpy(), here, self.columns[i].view(self.rows, *here.shape, -1).numpy())
            else:
                self.columns[i] = x.view(self.rows, -1)
            torch.addmm(bias, self.columns[i], matrix, out=self.outputs[i + 1])
            x = functional.elu_(self.outputs[i + 1]).view(self.rows, len(here), -1)
        return x

    def backward(self, output: PolicyOutput) -> None:
        """Adds to the parameters' gradients what the gradients of `forward`'s last output make of them."""
        with torch.no_grad():
            d_logits = gradient_of(output.logits).view(self.rows, -1)
            d_values = gradient_of(output.values).reshape(self.rows, 1)
            policy, baseline = self.student.policy, self.student.baseline
            for head, gradient in ((policy, d_logits), (baseline, d_values)):
                self.accumulate(head, gradient, self.activations[-1])
            d = torch.mm(d_logits, policy.weight, out=self.d_activations[-1])
            d += torch.mm(d_values, baseline.weight, out=self.d_values)
            below, d_below = [self.inputs, *self.activations[:-1]], [self.d_inputs, *self.d_activations[:-1]]
            for layer, x, d_x, out in reversed(list(zip(self.layers, below, d_below, self.activations, strict=True))):
                torch.ops.aten.threshold_backward.grad_input(d, out, 0, grad_input=d)
                self.accumulate(layer, d, x)
                d = torch.mm(d, layer.weight, out=d_x)
            start = d.shape[1] - CARRIED_FEATURES
            for name, indices in zip(("object", "colour"), self.carried, strict=True):
                table = self.stack.embedding(name)
                part = d[:, start : start + table.shape[1]]
                start += table.shape[1]
                of_table = torch.ops.aten.embedding_dense_backward(part, indices, len(table), -1, False)
                gradient_of(table).add_(of_table)
            self.convolve_backward(d[:, : d.shape[1] - CARRIED_FEATURES])

    def convolve_backward(self, d: Tensor) -> None:
        """From the gradient (N, C * P) by the features to those of convolutions and embeddings."""
        neighbours, biases = self.stack.neighbours, [bias for _, bias in self.stack.convolution_parameters]
        gradients: list[Tensor] = []
        d = d.reshape(self.rows, -1, len(neighbours[-1])).transpose(1, 2)
        for i in reversed(range(len(neighbours) - 1)):
            output = self.outputs[i + 1]
            d = through_elu(d.reshape(output.shape), output, self.d_outputs[i + 1])
            gradient_of(biases[i + 1]).add_(d.sum(0))
            gradients.insert(0, self.columns[i].t() @ d)
            d_columns = torch.mm(d, self.prepared.matrices[i][0].t(), out=self.d_columns[i])
            if self.copies[i]:
                d, here = self.d_outputs[i].zero_(), neighbours[i + 1]
                d_cells = d.view(self.rows, len(neighbours[i]), -1)
                kernels.scatter(d_columns.view(self.rows, *here.shape, -1).numpy(), here, d_cells.numpy())
            else:
                d = d_columns
        d = through_elu(d.view(self.outputs[0].shape), self.outputs[0], self.d_outputs[0])
        d = d.view(self.rows, len(neighbours[0]), -1)
        gradient_of(biases[0]).add_(d.sum((0, 1)))
        table, goals = torch.zeros_like(self.prepared.table), torch.zeros_like(self.prepared.goal_weights)
        kernels.table_backward(self.codes, neighbours[0], self.goal_cells, d.numpy(), table.numpy(), goals.numpy())
        made, by = [self.prepared.table, *(matrix for matrix, _ in self.prepared.matrices)], [table, *gradients]
        if self.stack.with_goal:
            made, by = [*made, self.prepared.goal_weights], [*by, goals]
        torch.autograd.backward(made, by)

    def accumulate(self, layer: nn.Linear, d: Tensor, x: Tensor) -> None:
        """Adds to the gradients of a layer's weight and bias, from that of its output (N, out) and its input (N, in).

        Not straight into them: a product may round otherwise where its result is to lie at an odd address.
        """
        gradient_of(layer.weight).add_(torch.mm(d.t(), x, out=self.d_weights[layer]))
        gradient_of(layer.bias).add_(d.sum(0))
