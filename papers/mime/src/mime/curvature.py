"""First and second derivatives of the policy's losses, for all tasks at once and without an autograd graph.

Conjugate gradient asks for ten products with second derivatives through the adaptation. Written out they cost a
fraction of what a retained double-backward graph costs; the tests hold them against autograd and finite differences.
The second derivatives are Pearlmutter's R-operator (1994): the tangent of the forward and the backward pass. A product
takes ten passes of all rows through a square layer, four for each of its two inner Hessians and two for the Fisher
matrix: what the first layer contributes is summed over rows, or pulled back to it, once for all products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from mime.networks import MIN_LOG_SD, Layout, affine, policy_layers, policy_log_sd, tanh

Layers = Sequence[tuple[Tensor, Tensor]]
"""(weight (tasks, out, in), bias (tasks, out)) of each layer, as of `policy_layers`."""


class PolicyPass:
    """The policy's forward pass on a batch, with what derivatives need of it.

    parameters: (tasks, parameters); observations: (tasks, rows, size).
    """

    def __init__(self, layout: Layout, parameters: Tensor, observations: Tensor) -> None:
        self.layout = layout
        self.weights = [weight for weight, _ in policy_layers(layout, parameters)]
        self.log_sd = policy_log_sd(layout, parameters)  # (tasks, actions)
        self.sd_moves = (layout.unflatten(parameters)["sigma"] >= MIN_LOG_SD).to(parameters.dtype)
        self.inputs = [observations]
        for weight, bias in policy_layers(layout, parameters):
            self.mean = torch.baddbmm(bias[:, None], self.inputs[-1], weight.mT)  # (tasks, rows, actions)
            self.inputs.append(tanh(self.mean))
        self.inputs.pop()
        self.slopes = [1 - values.square() for values in self.inputs[1:]]

    def backward(self, mean_gradient: Tensor, down_to: int = 0) -> list[Tensor]:
        """Gradients with respect to each layer's output before its tanh, from that of the mean.

        The layer numbered `down_to` comes first; layers are counted from 0, the observations' side.
        """
        gradients = [mean_gradient]
        for number in range(len(self.slopes) - 1, down_to - 1, -1):
            gradients.insert(0, (gradients[0] @ self.weights[number + 1]).mul_(self.slopes[number]))
        return gradients

    def gradient(self, mean_gradient: Tensor, log_sd_gradient: Tensor) -> Tensor:
        """Gradient of a loss, (tasks, parameters), from those of the mean and of the log standard deviations."""
        return self.collect(log_sd_gradient, self.backward(mean_gradient), self.inputs)

    def collect(self, log_sd: Tensor, outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Parameter gradients (tasks, parameters) out of layer output gradients and layer inputs."""
        parts = [log_sd * self.sd_moves]
        for output, values in zip(outputs, inputs, strict=True):
            parts += [over_rows(output, values).flatten(1), output.sum(1)]
        return torch.cat(parts, dim=1)

    def tangent(self, direction: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """How mean, log standard deviations and the hidden layers move with the parameters.

        direction: (tasks, parameters). Returns mean (tasks, rows, actions), log sd (tasks, actions), and the hidden
        layers' (tasks, rows, units).
        """
        layers = policy_layers(self.layout, direction)
        moves = [affine(layers[0], self.inputs[0]).mul_(self.slopes[0])]
        mean = self.later_move(layers, moves)
        return mean, self.layout.unflatten(direction)["sigma"] * self.sd_moves, moves

    def later_move(self, layers: Layers, moves: list[Tensor]) -> Tensor:
        """How the mean moves with `layers` after the first, (tasks, rows, actions).

        `moves`: how the first hidden layer moves, or nothing where it is still; the later hidden layers' are appended.
        """
        for number in range(1, len(layers)):
            move = affine(layers[number], self.inputs[number])
            if moves:
                move.baddbmm_(moves[-1], self.weights[number].mT)
            if number < len(self.slopes):
                moves.append(move.mul_(self.slopes[number]))
        return move

    def fisher_vector_product(self, direction: Tensor) -> Tensor:
        """Hessian of `gaussian_kl` at equality with the old policy times `direction`; both (tasks, parameters)."""
        layers = policy_layers(self.layout, direction)
        first, mean_move = affine(layers[0], self.inputs[0]), self.later_move(layers, [])
        for action, slope in enumerate(self.first_slopes):
            mean_move[..., action] += (slope * first).sum(-1)
        log_sd_move = self.layout.unflatten(direction)["sigma"] * self.sd_moves
        mean_gradient = mean_move * torch.exp(-2 * self.log_sd)[:, None] / mean_move.shape[1]
        gradients = self.backward(mean_gradient, down_to=1)
        gradients.insert(0, mean_gradient[..., :1] * self.first_slopes[0])
        for action in range(1, len(self.first_slopes)):
            gradients[0].addcmul_(mean_gradient[..., action, None], self.first_slopes[action])
        return self.collect(2 * log_sd_move, gradients, self.inputs)

    @cached_property
    def first_slopes(self) -> list[Tensor]:
        """Gradient of each mean action with respect to the first layer's output before its tanh, (tasks, rows, units).

        It serves every direction that the Fisher matrix is asked for.
        """
        unit = torch.eye(self.mean.shape[-1], dtype=self.mean.dtype, device=self.mean.device)
        return [self.backward(row.expand_as(self.mean))[0] for row in unit]


class WeightedLogProbability:
    """The loss -mean over rows of log pi(a|s) times a weight (`objectives.policy_loss`), with its derivatives.

    actions: (tasks, rows, actions); weights, advantages or rewards: (tasks, rows).
    """

    def __init__(self, policy: PolicyPass, actions: Tensor, weights: Tensor) -> None:
        self.policy, self.weights = policy, weights / weights.shape[1]
        self.precision = torch.exp(-2 * policy.log_sd)[:, None]
        self.pull = (actions - policy.mean) * self.precision  # d log pi / d mean
        self.square = self.pull * (actions - policy.mean)  # squared deviation in standard deviations
        self.mean_gradient = -self.weights[..., None] * self.pull

    def gradient(self) -> Tensor:
        """(tasks, parameters)."""
        log_sd_gradient = -(self.weights[..., None] * (self.square - 1)).sum(1)
        return self.policy.gradient(self.mean_gradient, log_sd_gradient)

    def log_probability_move(self, direction: Tensor) -> Tensor:
        """Derivative of log pi(a|s) along `direction` (tasks, parameters); returns (tasks, rows)."""
        mean_move, log_sd_move, _ = self.policy.tangent(direction)
        return (self.pull * mean_move + (self.square - 1) * log_sd_move[:, None]).sum(-1)

    def weight_move(self, direction: Tensor) -> Tensor:
        """Derivative of (gradient dot `direction`) with respect to the weights given; (tasks, rows)."""
        return -self.log_probability_move(direction) / self.weights.shape[1]

    def hessian_vector_product(self, direction: Tensor) -> Tensor:
        """Second derivative times `direction`; both (tasks, parameters)."""
        policy, weights = self.policy, self.weights[..., None]
        mean_move, log_sd_move, input_moves = policy.tangent(direction)
        pull_move = -self.precision * mean_move - 2 * self.pull * log_sd_move[:, None]
        square_move = -2 * self.pull * mean_move - 2 * self.square * log_sd_move[:, None]
        moves = policy_layers(policy.layout, direction)
        gradient_moves = self.backward_tangent(-weights * pull_move, [weight for weight, _ in moves], input_moves)
        product = policy.collect(-(weights * square_move).sum(1), gradient_moves, policy.inputs)
        self.add_input_moves(policy_layers(policy.layout, product), moves, input_moves)
        return product

    def add_input_moves(self, product: Layers, moves: Layers, input_moves: list[Tensor]) -> None:
        """Add to the layers of a product what comes of the gradient's other factor, the layer inputs, which move too.

        Between the first two layers that is linear in the few inputs of the first: its sum over rows is `first_two`.
        """
        (first_weight, first_bias), (second_weight, _), *later = product
        for (weight, _), gradient, move in zip(later, self.layer_gradients[2:], input_moves[1:], strict=True):
            weight.add_(over_rows(gradient, move))
        first_move = torch.cat([moves[0][0], moves[0][1][..., None]], dim=-1)
        second_weight.add_(torch.einsum("kijo,kij->koi", self.first_two, first_move))
        first = torch.einsum("kijo,koi->kij", self.first_two, moves[1][0])
        first_weight.add_(first[..., :-1])
        first_bias.add_(first[..., -1])

    @cached_property
    def first_two(self) -> Tensor:
        """How the gradient of the second layer's weights moves with the first layer's weights and biases by way of its
        inputs: (tasks, first units, inputs + 1, second units)."""
        policy, gradient = self.policy, self.layer_gradients[1]
        columns = [*policy.inputs[0].unbind(-1), torch.ones_like(policy.inputs[0][..., 0])]
        parts = [over_rows(gradient * column[..., None], policy.slopes[0]).mT for column in columns]
        return torch.stack(parts, dim=2)

    @cached_property
    def layer_gradients(self) -> list[Tensor]:
        """`PolicyPass.backward` of this loss."""
        return self.policy.backward(self.mean_gradient)

    @cached_property
    def bends(self) -> list[Tensor]:
        """For each hidden layer the gradient with respect to its output times -2 tanh, the slope's derivative."""
        triples = zip(self.layer_gradients[1:], self.policy.weights[1:], self.policy.inputs[1:], strict=True)
        return [(gradient @ weight).mul_(values).mul_(-2) for gradient, weight, values in triples]

    def backward_tangent(
        self, mean_gradient_move: Tensor, weight_moves: list[Tensor], input_moves: list[Tensor]
    ) -> list[Tensor]:
        """How `layer_gradients` move, first layer first; the first layer's without the move of the second's weights."""
        policy, moves = self.policy, [mean_gradient_move]
        for number in range(len(policy.weights) - 1, 0, -1):
            move = torch.bmm(moves[0], policy.weights[number])
            if number > 1:
                move.baddbmm_(self.layer_gradients[number], weight_moves[number])
            move.mul_(policy.slopes[number - 1])
            moves.insert(0, move.addcmul_(self.bends[number - 1], input_moves[number - 1]))
        return moves


def over_rows(outputs: Tensor, inputs: Tensor) -> Tensor:
    """The sum over rows of their outer products: (tasks, rows, out), (tasks, rows, in) -> (tasks, out, in).

    The linear algebra library is several times slower with the narrow factor on the right.
    """
    if inputs.shape[-1] < outputs.shape[-1]:
        return (inputs.mT @ outputs).mT
    return outputs.mT @ inputs
