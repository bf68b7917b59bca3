"""The paper's method: psi as shortcut, information seeking as reward, remembering as loss (card 5.5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mi_asym.agents.base import Losses, adam, descend
from mi_asym.agents.dqn import DqnAgent, Embedders
from mi_asym.agents.sac import SacAgent
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler
from mi_asym.networks.encoders import FEATURES
from mi_asym.networks.layers import head
from mi_asym.objectives.reconstruction import intrinsic_rewards, reconstruction_errors, reconstruction_loss


class OursDqnAgent(DqnAgent):
    """Double DQN whose memory is paid and trained for telling phi(s)."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, embedders: Embedders) -> None:
        super().__init__(spec, config, draw, device, embedders.observation)
        self.critic.shortcut.requires_grad_(not config.freeze_psi)
        width = self.critic.history.width
        self.reconstructor = head(width, config.reconstructor_dims, FEATURES, draw).to(device)
        self.parts |= {"reconstructor": self.reconstructor, "phi": embedders.state.to(device)}
        self.learn(*([self.reconstructor] if config.loss_weight else []))  # it then stands in two optimisers (card 5.5)
        self.optimisers["reconstructor"] = adam([self.reconstructor], config.reconstructor_lr)

    def prepare(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        return reconstructor_step(self, self.critic.history, sample, draw, noise)

    def added_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        return paid_and_trained(self, self.critic.history, hidden, batch, noise)


class OursSacAgent(SacAgent):
    """SAC whose critic's memory is paid and trained for telling phi(s); actor and critic have a psi each."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, embedders: Embedders) -> None:
        super().__init__(spec, config, draw, device, embedders.observation)
        assert self.critic.history is not None
        self.reconstructor = head(self.critic.history.width, config.reconstructor_dims, FEATURES, draw).to(device)
        self.parts |= {"reconstructor": self.reconstructor, "phi": embedders.state.to(device)}
        self.learn([self.reconstructor] if config.loss_weight else [])
        self.optimisers["reconstructor"] = adam([self.reconstructor], config.reconstructor_lr)

    def prepare(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        return reconstructor_step(self, self.critic.remember, sample, draw, noise)

    def critic_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        reward, loss, terms = paid_and_trained(self, self.critic.remember, hidden, batch, noise)
        return reward, 0.5 * loss, terms  # half of it in the first head's loss (card 5.5)


def errors_of(agent: Any, hidden: Tensor, batch: Batch) -> Tensor:
    """(rows,) how far memory is from telling phi(s), 0 to 1."""
    return reconstruction_errors(agent.reconstructor(hidden), batch.features)


def reconstructor_step(
    agent: Any, remember: Any, sample: Sampler, draw: torch.Generator, noise: torch.Generator
) -> Losses:
    """One step of the reconstructor on a batch of its own; memory stays as it is."""
    batch = sample(agent.config.aux_batch_size, draw)
    with torch.no_grad():
        hidden = remember(batch, noise)
    loss = reconstruction_loss(errors_of(agent, hidden, batch), batch.packing.transitions)
    descend(loss, agent.optimisers["reconstructor"])
    return {"loss/reconstruction": loss.detach()}


def paid_and_trained(
    agent: Any, remember: Any, hidden: Tensor, batch: Batch, noise: torch.Generator
) -> tuple[Tensor, Tensor, Losses]:
    """Rewards with the intrinsic one, the weighted auxiliary loss, and what is written down of both.

    Without `share_passes` rewards come of a pass of the memory with dropout of its own.
    """
    packing, config = batch.packing, agent.config
    with torch.set_grad_enabled(config.loss_weight > 0):
        errors = errors_of(agent, hidden, batch)
    with torch.no_grad():
        paid = errors if config.share_passes else errors_of(agent, remember(batch, noise), batch)
        bonus = intrinsic_rewards(paid, packing.before, packing.after, config.reward_weight)
    auxiliary = reconstruction_loss(errors, packing.transitions)
    terms = {"loss/auxiliary": auxiliary.detach(), "train/intrinsic_reward": bonus.mean()}
    return batch.reward + bonus, config.loss_weight * auxiliary, terms
