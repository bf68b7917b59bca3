"""How much of phi(s) a history can tell: what the best prediction that does not know the hidden goal gets wrong."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from mi_asym.envs import GRID_TASKS, grid_tables

TURNS = 50
"""Of the alternation in `blind_errors`, far more than it takes to stand still."""


def blind_errors(features: Tensor) -> Tensor:
    """The least mean of 1 - |cos(u, phi)| over the goals that one u for all of them can reach; (cells,).

    features: (cells, goals, size), phi of every state. Turning u towards the sum of the features, each with the sign
    that makes it agree with u, never raises the mean; it begins on their principal axis. An intrinsic reward cannot
    pay more than `reward_weight` times this for knowledge of the goal (card 5.5).
    """
    directions = torch.nn.functional.normalize(features.double(), dim=-1)
    best = torch.linalg.eigh(directions.transpose(1, 2) @ directions)[1][:, :, -1]
    for _ in range(TURNS):
        agreeing = torch.einsum("cgs,cs->cg", directions, best).sign()
        best = torch.nn.functional.normalize(torch.einsum("cg,cgs->cs", agreeing, directions), dim=-1)
    return 1.0 - torch.einsum("cgs,cs->cg", directions, best).abs().mean(1)


@torch.no_grad()
def blindness(task: str, phi: nn.Module) -> dict[str, float]:
    """phi's blind errors on a grid, their means over all cells that can be stood on and over the information cells;
    empty on robots, whose states cannot be listed."""
    if task not in GRID_TASKS:
        return {}
    tables, device = grid_tables(task), next(phi.parameters()).device
    features = phi(torch.from_numpy(tables.all_states).to(device)).cpu()
    errors = blind_errors(features.view(len(tables.information), tables.num_goals, -1)).numpy()
    return {
        "blind_error": float(errors[reachable(task)].mean()),
        "blind_error_informed": float(errors[tables.information].mean()),
    }


@cache
def reachable(task: str) -> np.ndarray:
    """Cells to which some step leads from a start; int64."""
    tables = grid_tables(task)
    found = set(tables.starts[tables.starts >= 0].tolist())
    waiting = list(found)
    while waiting:
        news = set(tables.next_cell[waiting.pop()].tolist()) - found
        found |= news
        waiting += news
    return np.array(sorted(found))
