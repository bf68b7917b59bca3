"""What every agent has: parts, optimisers, a state; it acts and it updates."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mi_asym.experience import Sampler, View
from mi_asym.networks.layers import parameter_count
from mi_asym.networks.memories import Carry

Module = TypeVar("Module", bound=nn.Module)
Losses = dict[str, Tensor]
TARGET = "target"
"""Prefix of the parts that follow others slowly; they count in no table of parameters."""


class Agent(ABC):
    """An agent of stage 3."""

    parts: dict[str, nn.Module]
    """Everything with parameters, by name."""
    optimisers: dict[str, torch.optim.Optimizer]
    whole_sequences = True
    """False for memoryless agents, which learn from transitions."""

    @abstractmethod
    def start(self, environments: int) -> Carry:
        """What is kept between steps, of environments that have just been reset."""

    @abstractmethod
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        """Actions, (environments,) or (environments, actions), and the new carry.

        noise: draws exploration and dropout; None acts deterministically. epsilon: probability of a random action,
        where the agent explores by one.
        """

    @abstractmethod
    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        """One update. draw picks batches, on the CPU; noise is for dropout and actions, on the agent's device."""

    def state(self) -> dict[str, Any]:
        """Parameters and optimisers, as tensors and numbers."""
        return {
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    @torch.no_grad()
    def target_lag(self) -> float:
        """log10 of the root mean square distance of the parameters that learn from those of the target that follows
        them; -12 for a learner that does not learn. A logarithm, as seeds that see no reward move far less."""
        online = self.parts["critic"] if "critic" in self.parts else self.parts["heads"]
        apart = torch._foreach_sub(list(online.parameters()), list(self.parts[TARGET].parameters()))
        count = sum(difference.numel() for difference in apart)
        distance = float(torch.stack(torch._foreach_norm(apart)).square().sum() / count) ** 0.5
        return math.log10(max(distance, 1e-12))

    def parameter_counts(self) -> dict[str, int]:
        """Numbers in each part that is not a target."""
        return {name: parameter_count(part) for name, part in self.parts.items() if not name.startswith(TARGET)}


def adam(parts: Iterable[nn.Module | Tensor], step_size: float) -> torch.optim.Adam:
    """Adam over all parameters of `parts`, in one fused step."""
    parameters = [
        parameter for part in parts for parameter in (part.parameters() if isinstance(part, nn.Module) else [part])
    ]
    return torch.optim.Adam(parameters, step_size, fused=True)


def descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    """One step of an optimiser down the gradient of `loss`; what it does not hold gets no gradient."""
    parameters = [
        parameter for group in optimiser.param_groups for parameter in group["params"] if parameter.requires_grad
    ]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
        parameter.grad = gradient
    optimiser.step()


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, share: float) -> None:
    """Move every parameter of `target` by `share` of its distance to `online`'s."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), share)


def copy_of(module: Module) -> Module:
    """A copy with the same parameters, none of which learns."""
    return copy.deepcopy(module).requires_grad_(False)
