"""A gated recurrent unit over packed rows on the CPU, with its gradient written out.

The tensor library's own differentiates slice by slice, and each slice's gradient is a block of zeros as large as all
rows; written out, what remains per step is two small products each way, and everything else is one over all rows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class PackedRecurrence(torch.autograd.Function):
    """The recurrent half of a gated recurrent unit, from a zero state; returns (rows, width).

    of_inputs: (rows, 3 width), the inputs' products with their weights, all biases added but the state's in the
    candidate; sizes: sequences of each time, falling; before: the row that each row behind the first block follows;
    of_state: (3 width, width), weights of reset, update and candidate gate, in the order of `torch.nn.GRU`;
    bias: (width,), the state's in the candidate.
    """

    @staticmethod
    def forward(
        context: Any, of_inputs: Tensor, sizes: list[int], before: Tensor, of_state: Tensor, bias: Tensor
    ) -> Tensor:
        rows, width = len(of_inputs), of_state.shape[1]
        gates, candidates, recalled, outputs = (of_inputs.new_empty(rows, columns * width) for columns in (2, 1, 1, 1))
        of_gates, of_candidate = of_state[: 2 * width].T, of_state[2 * width :].T
        state = of_inputs.new_zeros(sizes[0], width)
        blocks = (torch.split(tensor, sizes) for tensor in (of_inputs, gates, candidates, recalled, outputs))
        for given, gate, candidate, recall, output in zip(*blocks, strict=True):
            state = state[: len(given)]
            torch.addmm(given[:, : 2 * width], state, of_gates, out=gate).sigmoid_()
            torch.addmm(bias, state, of_candidate, out=recall)
            torch.addcmul(given[:, 2 * width :], gate[:, :width], recall, out=candidate).tanh_()
            state = torch.lerp(candidate, state, gate[:, width:], out=output)
        context.save_for_backward(before, of_state, gates, candidates, recalled, outputs)
        context.sizes = sizes
        return outputs

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        before, of_state, gates, candidates, recalled, outputs = context.saved_tensors
        (outer,), sizes, width = gradients, context.sizes, of_state.shape[1]
        reset, update = gates.chunk(2, 1)
        states = torch.cat([outputs.new_zeros(sizes[0], width), outputs[before]])
        # What does not depend on the gradient that comes back through time, for all rows at once.
        to_candidate = (1.0 - update) * (1.0 - candidates * candidates)
        to_update = (states - candidates) * update * (1.0 - update)
        to_reset = recalled * reset * (1.0 - reset)
        of_inputs, of_recall = outputs.new_empty(len(outputs), 3 * width), torch.empty_like(recalled)
        flow = outer.new_zeros(0, width)
        tensors = (outer, to_candidate, to_update, to_reset, reset, update, of_inputs, of_recall)
        for block in reversed(list(zip(*(torch.split(tensor, sizes) for tensor in tensors), strict=True))):
            given, candidate, updating, resetting, reset_gate, update_gate, of_input, recall = block
            state = given.clone()
            state[: len(flow)] += flow  # sequences that end here have nothing coming back
            inner = torch.mul(state, candidate, out=of_input[:, 2 * width :])
            torch.mul(state, updating, out=of_input[:, width : 2 * width])
            torch.mul(inner, resetting, out=of_input[:, :width])
            torch.mul(inner, reset_gate, out=recall)
            flow = state.mul_(update_gate)
            flow.addmm_(of_input[:, : 2 * width], of_state[: 2 * width]).addmm_(recall, of_state[2 * width :])
        weights = torch.cat([of_inputs[:, : 2 * width].T @ states, of_recall.T @ states])
        return of_inputs, None, None, weights, of_recall.sum(0)
