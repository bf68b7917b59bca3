"""MIME: the share of the intrinsic reward is learnt as well."""

from __future__ import annotations

import torch
from torch import Tensor

from mime.agent.exploration import MamlExplAgent
from mime.config import MimeConfig
from mime.objectives import mixed_rewards, updated_eta
from mime.streams import Streams
from mime.surrogate import Experience, MetaBatch, MetaObjective


class MimeAgent(MamlExplAgent):
    """MIME: MAML+expl whose share of the intrinsic reward, eta, is meta-learned through the inner loop (card 5.6)."""

    config: MimeConfig

    def update(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        metrics = self.update_dynamics(batch, draw)
        objective = self.objective(batch)
        if batch.valid.intrinsic is None:
            return metrics | self.improve_policy(objective, objective.advantages)
        eta = updated_eta(self.eta, self.eta_gradient(objective), self.config.eta_lr)
        if self.config.eta_update == "before_policy":  # ledger 4
            self.eta = eta
            rebuilt = [self.rebuilt_advantages(experience, eta) for experience in [*batch.train, batch.valid]]
            return metrics | self.improve_policy(objective, (rebuilt[:-1], rebuilt[-1]))
        metrics |= self.improve_policy(objective, objective.advantages)
        self.eta = eta
        return metrics

    def rebuilt_advantages(self, experience: Experience, eta: Tensor) -> Tensor:
        """Advantages with another eta; the baseline stays the one fitted at sampling (card 5.6)."""
        assert experience.intrinsic is not None
        return self.advantages(mixed_rewards(experience.extrinsic, experience.intrinsic, eta), experience.values)

    def eta_gradient(self, objective: MetaObjective) -> Tensor:
        """Gradient of the extrinsic objective after adaptation with respect to eta, through the inner loop; scalar."""
        eta = self.eta.detach().requires_grad_()
        with torch.no_grad():
            pulls = objective.extrinsic_advantage_gradients()
        advantages = [self.rebuilt_advantages(experience, eta) for experience in objective.batch.train]
        (gradient,) = torch.autograd.grad(advantages, eta, pulls)
        return gradient

    def statistics(self, batch: MetaBatch) -> dict[str, float]:
        return super().statistics(batch) | {"train/eta": float(self.eta.sigmoid())}

    def state(self) -> dict[str, Tensor]:
        return super().state() | {"eta": self.eta}
