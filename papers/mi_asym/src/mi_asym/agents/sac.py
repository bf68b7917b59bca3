"""RSAC and TSAC: soft actor-critic with a memory for the actor and one for the critic (card 5.6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mi_asym.agents.base import Agent, Losses, adam, copy_of, descend, follow
from mi_asym.agents.history import HistoryEncoder, make_shortcut, through_head
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler, View
from mi_asym.networks.embedders import Distinct, VectorEmbedder
from mi_asym.networks.encoders import Encoder
from mi_asym.networks.layers import POLICY_BOUND, head, last_linear
from mi_asym.networks.memories import Carry
from mi_asym.objectives.actor_critic import soft_value, squashed, temperature_loss
from mi_asym.objectives.temporal_difference import bootstrapped, mean_squared_error


class PolicyHead(nn.Module):
    """Mean and log standard deviation of a squashed normal, from vectors side by side."""

    def __init__(self, inputs: int, hidden: Sequence[int], actions: int, draw: torch.Generator) -> None:
        super().__init__()
        self.body = head(inputs, hidden[:-1], hidden[-1], draw, bound=1 / math.sqrt(hidden[-1]))
        nn.init.constant_(self.body[-1].bias, 0.1)  # type: ignore[arg-type]
        self.mean = last_linear(hidden[-1], actions, POLICY_BOUND, draw)
        self.log_sd = last_linear(hidden[-1], actions, POLICY_BOUND, draw)

    def forward(self, *parts: Distinct) -> tuple[Tensor, Tensor]:
        """(steps, actions) each."""
        body = through_head(self.body, *parts).relu()
        return self.mean(body), self.log_sd(body)


class Actor(nn.Module):
    """pi(a | h_t, o_t)."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, psi: nn.Module | None) -> None:
        super().__init__()
        self.history = HistoryEncoder(spec, config, draw)
        self.shortcut, width = shortcut_for(spec, config, draw, psi)
        self.head = PolicyHead(self.history.width + width, config.hidden_dims, spec.num_actions, draw)

    def policy(self, hidden: Tensor, observation: Distinct) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (steps, actions) each."""
        mean, log_sd = self.head(Distinct(hidden, None), observation.embedded(self.shortcut))
        return mean, log_sd


class Critic(nn.Module):
    """Q1 and Q2 of [h_t, o_t, a]; with `state_width` also of an embedding of the state, which may replace h_t."""

    def __init__(
        self, spec: TaskSpec, config: Any, draw: torch.Generator, psi: nn.Module | None,
        state_width: int = 0, with_history: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.history = HistoryEncoder(spec, config, draw) if with_history else None
        self.shortcut, width = shortcut_for(spec, config, draw, psi)
        self.action = VectorEmbedder(spec.num_actions, config.action_width + config.observation_width, draw)
        self.state = make_shortcut(spec, state_width, draw) if state_width else None
        inputs = width + self.action.width + state_width + (self.history.width if self.history else 0)
        self.heads = nn.ModuleList(head(inputs, config.hidden_dims, 1, draw) for _ in range(2))

    def remember(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """(rows, width) of the memory; without columns where there is none."""
        if self.history is None:
            return batch.features.new_zeros(batch.packing.rows, 0)
        outputs: Tensor = self.history(batch, noise)
        return outputs

    def values(self, hidden: Tensor, batch: Batch, rows: Tensor | slice, action: Tensor) -> Tensor:
        """(2, steps) of the steps `rows`; hidden and action belong to these steps."""
        parts = [Distinct(hidden, None), batch.observation.rows(rows).embedded(self.shortcut)]
        parts.append(Distinct(self.action(action), None))
        if self.state is not None:
            parts.append(batch.state.rows(rows).embedded(self.state))
        return torch.stack([through_head(one, *parts)[:, 0] for one in self.heads])  # type: ignore[arg-type]


def shortcut_for(spec: TaskSpec, config: Any, draw: torch.Generator, psi: nn.Module | None) -> tuple[nn.Module, int]:
    """The way past the memory and its width: psi's copy, or an embedder of its own."""
    if psi is not None:
        return copy_of(psi).requires_grad_(not config.freeze_psi), Encoder.WIDTH
    return make_shortcut(spec, config.observation_width, draw), config.observation_width


class SacAgent(Agent):
    """History only; subclasses add terms to rewards and losses or give the critic the state."""

    def __init__(
        self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, psi: nn.Module | None = None,
        critic: Critic | None = None,
    ) -> None:  # fmt: skip
        self.spec, self.config, self.device = spec, config, device
        self.actor = Actor(spec, config, draw, psi).to(device)
        self.critic = (critic or Critic(spec, config, draw, psi)).to(device)
        self.target = copy_of(self.critic)
        self.temperature = Temperature(config.initial_temperature).to(device)
        self.parts = {
            "actor": self.actor, "critic": self.critic, "target": self.target, "temperature": self.temperature,
        }  # fmt: skip
        self.optimisers = {"temperature": adam([self.temperature], config.temperature_lr)}

    def learn(self, with_critic: Sequence[nn.Module] = (), with_actor: Sequence[nn.Module] = ()) -> None:
        """Make both optimisers, each with what else its loss trains."""
        self.optimisers["critic"] = adam([self.critic, *with_critic], self.config.critic_lr)
        self.optimisers["actor"] = adam([self.actor, *with_actor], self.config.actor_lr)

    def start(self, environments: int) -> Carry:
        return self.actor.history.start(environments)

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        hidden, kept = self.actor.history.step(view.observation, carry, noise)
        mean, log_sd = self.actor.policy(hidden, Distinct(view.observation, None))
        action = mean.tanh() if noise is None else squashed(mean, log_sd, normal_like(mean, noise))[0]
        return action, {"previous": action, **kept}

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        losses = self.prepare(sample, draw, noise)
        batch = sample(self.config.batch_size, draw)
        loss, terms = self.critic_loss(batch, noise)
        descend(loss, self.optimisers["critic"])
        loss, log_probability = self.actor_loss(batch, noise)
        descend(loss, self.optimisers["actor"])
        self.follow()
        entropy = temperature_loss(self.temperature.log, log_probability, -self.spec.num_actions)
        descend(entropy, self.optimisers["temperature"])
        told = {"train/temperature": self.temperature.log.detach().exp(), "train/policy_entropy": -log_probability}
        return losses | terms | told | {"loss/actor": loss.detach()}

    def prepare(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        """What a method learns on a batch of its own before each update."""
        return {}

    def follow(self) -> None:
        """Let the target follow."""
        follow(self.target, self.critic, self.config.tau)

    def critic_loss(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Losses]:
        """Both heads' squared errors and the method's own terms."""
        packing = batch.packing
        hidden = self.critic.remember(batch, noise)
        reward, added, terms = self.critic_terms(hidden, batch, noise)
        with torch.no_grad():
            arrived = self.actor.history(batch, noise)[packing.after]
            mean, log_sd = self.actor.policy(arrived, batch.observation.rows(packing.after))
            action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
            remembered = self.target.remember(batch, noise)[packing.after]
            values = self.target.values(remembered, batch, packing.after, action)
            following = soft_value(values, log_probability, self.temperature.log.exp())
            wanted = bootstrapped(reward, batch.terminal, following, self.config.discount)
        taken = self.critic.values(hidden[packing.before], batch, packing.before, batch.action)
        error = mean_squared_error(taken[0], wanted) + mean_squared_error(taken[1], wanted)
        return error + added, {"loss/critic": error.detach(), "train/q": taken.detach().mean(), **terms}

    def critic_terms(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Losses]:
        """(rewards of transitions, loss beside the values', terms to be written down) of a method."""
        return batch.reward, hidden.new_zeros(()), {}

    def actor_loss(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """What the actor descends, and the mean log probability of its actions."""
        packing = batch.packing
        hidden = self.actor.history(batch, noise)
        mean, log_sd = self.actor.policy(hidden[packing.before], batch.observation.rows(packing.before))
        action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
        with torch.no_grad():
            remembered = self.critic.remember(batch, noise)[packing.before]
            temperature = self.temperature.log.exp()
        values = self.critic.values(remembered, batch, packing.before, action)
        loss = -soft_value(values, log_probability, temperature).mean() + self.actor_term(hidden, batch, noise)
        return loss, log_probability.detach().mean()

    def actor_term(self, hidden: Tensor, batch: Batch, noise: torch.Generator) -> Tensor:
        """A method's own loss of the actor."""
        return hidden.new_zeros(())


class Temperature(nn.Module):
    """The weight of entropy, as a logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))


def normal_like(values: Tensor, noise: torch.Generator) -> Tensor:
    """Standard normal numbers of the same shape."""
    return torch.randn(values.shape, generator=noise, device=values.device)
