"""First and second derivatives of the policy's losses, for all tasks at once and without an autograd graph.

Conjugate gradient asks for ten products with second derivatives through the adaptation. Written out they cost a
third of what a retained double-backward graph costs; the tests hold them against autograd and finite differences.
The second derivatives are Pearlmutter's R-operator (1994): the tangent of the forward and the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from mime.networks import MIN_LOG_SD, Layout, policy_layers, policy_log_sd


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
            self.inputs.append(self.mean.tanh())
        self.inputs.pop()
        self.slopes = [1 - values.square() for values in self.inputs[1:]]

    def backward(self, mean_gradient: Tensor) -> list[Tensor]:
        """Gradients with respect to each layer's output before its tanh, from that of the mean; first layer first."""
        gradients = [mean_gradient]
        for weight, slope in zip(reversed(self.weights[1:]), reversed(self.slopes), strict=True):
            gradients.insert(0, (gradients[0] @ weight).mul_(slope))
        return gradients

    def gradient(self, mean_gradient: Tensor, log_sd_gradient: Tensor) -> Tensor:
        """Gradient of a loss, (tasks, parameters), from those of the mean and of the log standard deviations."""
        return self.collect(log_sd_gradient, self.backward(mean_gradient), self.inputs)

    def collect(self, log_sd: Tensor, outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Parameter gradients (tasks, parameters) out of layer output gradients and layer inputs."""
        parts = [log_sd * self.sd_moves]
        for output, values in zip(outputs, inputs, strict=True):
            parts += [(output.mT @ values).flatten(1), output.sum(1)]
        return torch.cat(parts, dim=1)

    def tangent(self, direction: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """How mean, log standard deviations and the hidden layers move with the parameters.

        direction: (tasks, parameters). Returns mean (tasks, rows, actions), log sd (tasks, actions), and the hidden
        layers' (tasks, rows, units).
        """
        moves: list[Tensor] = []
        mean = torch.empty(0)
        for number, (weight_move, bias_move) in enumerate(policy_layers(self.layout, direction)):
            mean = torch.baddbmm(bias_move[:, None], self.inputs[number], weight_move.mT)
            if moves:
                mean.baddbmm_(moves[-1], self.weights[number].mT)
            if number < len(self.slopes):
                moves.append(mean.mul_(self.slopes[number]))
        return mean, self.layout.unflatten(direction)["sigma"] * self.sd_moves, moves

    def fisher_vector_product(self, direction: Tensor) -> Tensor:
        """Hessian of `gaussian_kl` at equality with the old policy times `direction`; both (tasks, parameters)."""
        mean_move, log_sd_move, _ = self.tangent(direction)
        precision = torch.exp(-2 * self.log_sd)[:, None]
        return self.gradient(mean_move * precision / mean_move.shape[1], 2 * log_sd_move)


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
        weight_moves = [weight for weight, _ in policy_layers(policy.layout, direction)]
        gradient_moves = self.backward_tangent(-weights * pull_move, weight_moves, input_moves)
        product = policy.collect(-(weights * square_move).sum(1), gradient_moves, policy.inputs)
        # The gradient's other factor, the layer inputs, moves as well.
        for (weight, _), gradient, move in zip(
            policy_layers(policy.layout, product)[1:], self.layer_gradients[1:], input_moves, strict=True
        ):
            weight.add_(gradient.mT @ move)
        return product

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
        """How `layer_gradients` move, first layer first."""
        policy, moves = self.policy, [mean_gradient_move]
        for number in range(len(policy.weights) - 1, 0, -1):
            move = torch.bmm(moves[0], policy.weights[number])
            move.baddbmm_(self.layer_gradients[number], weight_moves[number]).mul_(policy.slopes[number - 1])
            moves.insert(0, move.addcmul_(self.bends[number - 1], input_moves[number - 1]))
        return moves
