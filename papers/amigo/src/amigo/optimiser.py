"""RMSprop on all of a network's parameters at once, after clipping their common gradient (card 5.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from amigo.networks import named_in_order


class RmsProp:
    """torch.nn.utils.clip_grad_norm_ and torch.optim.RMSprop in five operations.

    Parameters become views of one flat vector, `parameters`, in the documented order (`networks.named_in_order`); so do
    their gradients.
    """

    def __init__(self, network: nn.Module, alpha: float, momentum: float, epsilon: float, grad_norm: float) -> None:
        self.alpha, self.momentum, self.epsilon, self.grad_norm = alpha, momentum, epsilon, grad_norm
        named = [parameter for _, parameter in named_in_order(network)]
        self.parameters = torch.cat([parameter.detach().flatten() for parameter in named])
        self.gradient = torch.zeros_like(self.parameters)
        self.mean_square = torch.zeros_like(self.parameters)
        self.scale = torch.empty_like(self.parameters)
        self.velocity = torch.zeros_like(self.parameters) if momentum else None
        start = 0
        for parameter in named:
            end = start + parameter.numel()
            parameter.data = self.parameters[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end

    def step(self, loss: Tensor, learning_rate: float, fresh: bool = True) -> None:
        """Differentiate `loss` and move; without `fresh` the gradient adds to the last one, as it was clipped."""
        if fresh:
            self.gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self.move(learning_rate)

    def move(self, learning_rate: float) -> None:
        """Clip the gradient, then move along it."""
        with torch.no_grad():
            norm = torch.linalg.vector_norm(self.gradient)
            self.gradient.mul_((self.grad_norm / (norm + 1e-6)).clamp(max=1.0))
            self.mean_square.mul_(self.alpha).addcmul_(self.gradient, self.gradient, value=1 - self.alpha)
            scale = torch.sqrt(self.mean_square, out=self.scale).add_(self.epsilon)
            if self.velocity is None:
                self.parameters.addcdiv_(self.gradient, scale, value=-learning_rate)
            else:
                self.velocity.mul_(self.momentum).addcdiv_(self.gradient, scale)
                self.parameters.sub_(self.velocity, alpha=learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on. The gradient belongs to it, as it may not be fresh."""
        state = {"parameters": self.parameters, "gradient": self.gradient, "mean_square": self.mean_square}
        return state if self.velocity is None else state | {"velocity": self.velocity}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        for name, value in self.state().items():
            value.copy_(state[name])
