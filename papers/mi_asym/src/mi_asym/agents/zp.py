"""ZP: memory also learns to predict its own next value (card 5.7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mi_asym.agents.base import Losses, copy_of, follow
from mi_asym.agents.dqn import DqnAgent
from mi_asym.agents.history import HistoryEncoder
from mi_asym.agents.sac import SacAgent
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch
from mi_asym.networks.layers import head
from mi_asym.objectives.temporal_difference import mean_squared_error

LATENT_WIDTHS = (128, 128)


class LatentModel(nn.Module):
    """[h_t, a_{t+1}] -> h_{t+1}, as a slowly following copy of the memory has it."""

    def __init__(self, history: HistoryEncoder, actions: int, draw: torch.Generator) -> None:
        super().__init__()
        self.predict = head(history.width + actions, LATENT_WIDTHS, history.width, draw)

    def loss(
        self, hidden: Tensor, slow: nn.Module, history: HistoryEncoder, batch: Batch, noise: torch.Generator
    ) -> Tensor:
        """Squared distance to the slow memory's next value on the online embeddings, per transition."""
        packing = batch.packing
        with torch.no_grad():
            wanted = slow(history.embed(batch), packing, noise)[packing.after]
        return mean_squared_error(self.predict(torch.cat([hidden[packing.before], batch.action], 1)), wanted)


class ZpDqnAgent(DqnAgent):
    """Double DQN with a self-predictive memory."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str) -> None:
        super().__init__(spec, config, draw, device)
        self.latent = LatentModel(self.critic.history, spec.num_actions, draw).to(device)
        self.slow_memory = copy_of(self.critic.history.memory)
        self.parts |= {"latent": self.latent, "slow_memory": self.slow_memory}
        self.learn(self.latent)

    def added_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        loss = self.latent.loss(hidden, self.slow_memory, self.critic.history, batch, noise)
        return batch.reward, self.config.zp_loss_weight * loss, {"loss/latent": loss.detach()}

    def follow(self) -> None:
        super().follow()
        follow(self.slow_memory, self.critic.history.memory, self.config.tau)


class ZpSacAgent(SacAgent):
    """SAC whose actor's and critic's memories each predict themselves."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str) -> None:
        super().__init__(spec, config, draw, device)
        assert self.critic.history is not None
        histories = self.histories = {"actor": self.actor.history, "critic": self.critic.history}
        self.latents = {name: LatentModel(one, spec.num_actions, draw).to(device) for name, one in histories.items()}
        self.slow = {name: copy_of(one.memory) for name, one in histories.items()}
        for name in histories:
            self.parts |= {f"{name}_latent": self.latents[name], f"{name}_slow_memory": self.slow[name]}
        self.learn([self.latents["critic"]], [self.latents["actor"]])

    def critic_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        loss = self.latents["critic"].loss(hidden, self.slow["critic"], self.histories["critic"], batch, noise)
        return batch.reward, 0.5 * self.config.zp_loss_weight * loss, {"loss/latent": loss.detach()}

    def actor_term(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> Tensor:
        loss = self.latents["actor"].loss(hidden, self.slow["actor"], self.actor.history, batch, noise)
        weight: float = self.config.zp_loss_weight
        return weight * loss

    def follow(self) -> None:
        super().follow()
        for name, history in self.histories.items():
            follow(self.slow[name], history.memory, self.config.tau)
