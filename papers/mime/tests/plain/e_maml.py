"""E-MAML's outer objective, one task after another, every derivative by autograd (card 5.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from mime.networks import Layout
from mime.rollout import Episodes
from mime.surrogate import MetaBatch
from plain.maml import Learner, adapted, distribution, of_task


class EMamlLearner(Learner):
    """`Learner` whose losses also credit the training actions, under the parameters that chose them."""

    def __init__(
        self, layout: Layout, batch: MetaBatch, fast_lr: float, first_order: bool, credit: str, search: str
    ) -> None:
        super().__init__(layout, batch, fast_lr, first_order)
        self.credit, self.search = credit, search

    def credits(self, task: int) -> Tensor:
        """What the training actions of a task are credited with, (time x episodes,)."""
        if self.credit == "paired":
            return self.batch.valid.advantages[task].flatten()
        returns = torch.stack([rewards.sum(0).mean() for rewards in self.batch.valid.episodes.rewards])
        scaled = (returns - returns.mean()) / (((returns - returns.mean()) ** 2).mean().sqrt() + 1e-8)
        return scaled[task].expand(self.batch.valid.advantages[task].numel())

    def train_losses(self, parameters: Tensor, old: Tensor, train: list[tuple[Episodes, Tensor]], task: int) -> Tensor:
        """-mean of ratio times credit, summed over inner steps."""
        total = torch.zeros(())
        for step, (episodes, _) in enumerate(train):
            observations, actions = of_task(episodes, task)
            now = adapted(self.layout, parameters, train[:step], task, self.fast_lr, self.first_order)
            start = old.detach().clone().requires_grad_()
            then = adapted(self.layout, start, self.train[:step], task, self.fast_lr, self.first_order).detach()
            log_ratio = distribution(self.layout, now, observations).log_prob(actions) - distribution(
                self.layout, then, observations
            ).log_prob(actions)
            total = total - (log_ratio.exp() * self.credits(task)).mean()
        return total

    def loss_and_kl(
        self, parameters: Tensor, old: Tensor, train: list[tuple[Episodes, Tensor]], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        loss, kl = super().loss_and_kl(parameters, old, train, valid)
        more = [self.train_losses(parameters, old, train, task) for task in range(self.tasks)]
        return loss + torch.stack(more).mean(), kl

    def judged(
        self, candidate: Tensor, old: Tensor, train: list[tuple[Episodes, Tensor]], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of all tasks, or of the first one over their number."""
        if self.search == "all":
            return self.loss_and_kl(candidate, old, train, valid)
        everything, self.tasks = self.tasks, 1
        try:
            loss, kl = self.loss_and_kl(candidate, old, train, valid)
        finally:
            self.tasks = everything
        return loss / everything, kl / everything
