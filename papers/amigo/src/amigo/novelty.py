"""The fork's novelty bonus: how far a trained network is from a frozen one (card 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from amigo.config import AmigoNoveltyConfig
from amigo.networks import GridSize, NoveltyNetwork
from amigo.objectives import novelty_bonus
from amigo.optimiser import RmsProp
from amigo.unrolls import Unrolls


class NoveltyLearner:
    """The frozen target, the predictor and its optimiser."""

    def __init__(self, size: GridSize, config: AmigoNoveltyConfig, device: str, seed: torch.Generator) -> None:
        self.config = config
        self.target = NoveltyNetwork(size, seed).to(device).requires_grad_(False)
        self.predictor = NoveltyNetwork(size, seed).to(device)
        self.optimiser = RmsProp(self.predictor, config.alpha, config.momentum, config.epsilon, config.grad_norm)

    def novelty(self, batch: Unrolls) -> Tensor:
        """Distance of prediction and target, (T + 1, B)."""
        predicted = self.predictor(batch.frame, batch.carried)
        difference = predicted - self.target(batch.frame, batch.carried)
        distance: Tensor = torch.linalg.vector_norm(difference, dim=-1)
        return distance

    def update(self, batch: Unrolls) -> tuple[Tensor, Tensor]:
        """The bonus (T, B) of a batch, then one step of the predictor on it; returns bonus and weighted loss."""
        novelty = self.novelty(batch)
        bonus = novelty_bonus(novelty.detach(), batch.first_visit, self.config.novelty_coefficient)
        loss = self.config.novelty_loss_cost * novelty[1:].sum() / batch.columns
        fresh = self.config.novelty_gradients == "fresh"
        self.optimiser.step(loss, self.config.novelty_learning_rate, fresh)
        return bonus, loss.detach()

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {"optimiser": self.optimiser.state(), "target": self.target.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.optimiser.load(state["optimiser"])
        self.target.load_state_dict(state["target"])
