"""DRQN and DTQN: double DQN on a memory; the other grid methods change a term each (card 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mi_asym.agents.base import Agent, Losses, adam, copy_of, descend, follow
from mi_asym.agents.history import HistoryEncoder, make_shortcut, shortcut_width, through_head
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler, View
from mi_asym.networks.embedders import Distinct
from mi_asym.networks.encoders import Encoder
from mi_asym.networks.layers import head
from mi_asym.networks.memories import Carry
from mi_asym.objectives.temporal_difference import bootstrapped, double_q, mean_squared_error


@dataclass(frozen=True)
class Embedders:
    """What stage 2 learnt: phi of states, psi of observations."""

    state: Encoder
    observation: Encoder


class QNetwork(nn.Module):
    """Q(h_t, o_t): a value per action from memory and the current observation."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.history = HistoryEncoder(spec, config, draw)
        width = shortcut_width(spec, config)
        self.shortcut = make_shortcut(spec, width, draw) if shortcut is None else copy_of(shortcut).requires_grad_(True)
        inputs = self.history.width + (width if shortcut is None else Encoder.WIDTH)
        self.head = head(inputs, config.hidden_dims, spec.num_actions, draw)

    def values(self, hidden: Tensor, observation: Distinct) -> Tensor:
        """(steps, actions)"""
        return through_head(self.head, Distinct(hidden, None), observation.embedded(self.shortcut))


class DqnAgent(Agent):
    """History only; subclasses add terms to the rewards and to the loss."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, psi: Encoder | None = None):
        self.spec, self.config, self.device = spec, config, device
        self.critic = QNetwork(spec, config, draw, psi).to(device)
        self.target = copy_of(self.critic)
        self.parts = {"critic": self.critic, "target": self.target}
        self.optimisers = {}

    def learn(self, *more: nn.Module) -> None:
        """Make the critic's optimiser, over the critic and whatever else its loss trains."""
        self.optimisers["critic"] = adam([self.critic, *more], self.config.critic_lr)

    def start(self, environments: int) -> Carry:
        return self.critic.history.start(environments)

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        hidden, kept = self.critic.history.step(view.observation, carry, noise)
        action = self.acting_values(hidden, view).argmax(1)
        if noise is not None:
            action = with_random_actions(action, self.spec.num_actions, epsilon, noise)
        return action, {"previous": one_hot(action, self.spec.num_actions).float(), **kept}

    def acting_values(self, hidden: Tensor, view: View) -> Tensor:
        """(environments, actions)"""
        return self.critic.values(hidden, Distinct(view.observation, None))

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        losses = self.prepare(sample, draw, noise)
        batch = sample(self.config.batch_size, draw)
        loss, terms = self.loss(batch, noise)
        descend(loss, self.optimisers["critic"])
        self.follow()
        return losses | terms

    def prepare(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        """What a method learns on a batch of its own before each update."""
        return {}

    def follow(self) -> None:
        """Let the target follow."""
        follow(self.target, self.critic, self.config.tau)

    def loss(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Losses]:
        """The whole loss of the critic, and its terms to be written down."""
        hidden = self.critic.history(batch, noise)
        reward, loss, terms = self.added_terms(hidden, batch, noise)
        error, values = self.value_loss(hidden, batch, reward, noise)
        return loss + error, {"loss/critic": error.detach(), "train/q": values.detach().mean(), **terms}

    def added_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        """(rewards of transitions, loss beside the value's, terms to be written down) of a method."""
        return batch.reward, hidden.new_zeros(()), {}

    def value_loss(self, hidden: Tensor, batch: Batch, reward: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Squared error of the actions taken against double-Q targets; also those actions' values."""
        packing = batch.packing
        values = self.critic.values(hidden, batch.observation)
        with torch.no_grad():
            next_observation = batch.observation.rows(packing.after)
            choosing = self.choosing_values(values, batch, noise)[packing.after]
            following = self.target.values(self.target.history(batch, noise)[packing.after], next_observation)
            wanted = bootstrapped(reward, batch.terminal, double_q(choosing, following), self.config.discount)
        taken = (values[packing.before] * batch.action).sum(1)
        return mean_squared_error(taken, wanted), taken

    def choosing_values(self, values: Tensor, batch: Batch, noise: torch.Generator) -> Tensor:
        """The online values that choose the next action."""
        if self.config.share_passes:
            return values.detach()
        return self.critic.values(self.critic.history(batch, noise), batch.observation)


def with_random_actions(action: Tensor, actions: int, epsilon: float, noise: torch.Generator) -> Tensor:
    """Each action replaced, with probability epsilon, by one drawn uniformly from all."""
    chance = torch.rand(action.shape, generator=noise, device=action.device)
    other = torch.randint(actions, action.shape, generator=noise, device=action.device)
    return torch.where(chance < epsilon, other, action)
