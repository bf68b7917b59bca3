"""V-trace as the paper writes it."""

from __future__ import annotations

import torch
from torch import Tensor


def vtrace(
    log_ratios: Tensor, discounts: Tensor, rewards: Tensor, values: Tensor, bootstrap: Tensor
) -> tuple[Tensor, Tensor]:
    """v_s = V_s + sum over t of discounts, cut ratios and temporal differences (Espeholt et al. 2018, eq. 1)."""
    steps = len(rewards)
    ratios = log_ratios.exp().clamp(max=1)
    following = [*values[1:], bootstrap]
    deltas = [ratios[t] * (rewards[t] + discounts[t] * following[t] - values[t]) for t in range(steps)]
    targets = []
    for start in range(steps):
        total, factor = values[start].clone(), torch.ones_like(bootstrap)
        for t in range(start, steps):
            total = total + factor * deltas[t]
            factor = factor * discounts[t] * ratios[t]
        targets.append(total)
    after = [*targets[1:], bootstrap]
    advantages = [ratios[t] * (rewards[t] + discounts[t] * after[t] - values[t]) for t in range(steps)]
    return torch.stack(targets), torch.stack(advantages)
