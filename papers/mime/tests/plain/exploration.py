"""The intrinsic reward as the paper defines it: one trajectory, one transition, one real optimiser step at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from mime.dynamics import DynamicsModel
from plain.dynamics import kl, log_likelihood


def intrinsic_rewards(
    model: DynamicsModel, parameters: Tensor, inputs: Tensor, targets: Tensor, noise: list[Tensor], step_size: float
) -> Tensor:
    """As `mime.exploration.intrinsic_rewards`, with the same arguments."""
    tasks, steps, episodes, _ = inputs.shape
    rewards = torch.zeros(tasks, steps + 1, episodes, dtype=inputs.dtype)
    for k in range(tasks):
        for b in range(episodes):
            weights = parameters[k].detach().clone().requires_grad_()
            optimiser = torch.optim.Adam([weights], lr=step_size)
            for t in range(steps):
                before = weights.detach().clone()
                optimiser.zero_grad()
                epsilons = [layer[k, t, b] for layer in noise]
                (-log_likelihood(model, weights, inputs[k, t, b][None], targets[k, t, b][None], epsilons)).backward()
                optimiser.step()
                gain = kl(model.layout, weights.detach(), before)
                rewards[k, t, b] = gain.clamp(0, 1000)
                with torch.no_grad():
                    weights.copy_(before)
            rewards[k, steps, b] = rewards[k, steps - 1, b]
    return rewards
