"""E-MAML: the sampling before adaptation is credited with what comes of it after adaptation."""

from __future__ import annotations

import torch

from mime.agent.maml import MamlAgent
from mime.config import EMamlConfig
from mime.surrogate import EMamlObjective, MetaBatch


class EMamlAgent(MamlAgent):
    """MAML with the meta-objective of E-MAML (card 5.7)."""

    config: EMamlConfig

    @torch.no_grad()
    def objective(self, batch: MetaBatch) -> EMamlObjective:
        config = self.config
        return EMamlObjective(
            self.layout,
            self.policy,
            batch,
            config.fast_lr,
            config.first_order,
            config.exploration_credit,
            config.line_search_tasks,
        )
