"""Memoryless agents: the feature test on frozen [psi(o), phi(s)], and the fully observed reference (card 5.7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mi_asym.agents.base import Agent, Losses, adam, copy_of, descend, follow
from mi_asym.agents.dqn import Embedders, with_random_actions
from mi_asym.agents.history import through_head
from mi_asym.agents.sac import PolicyHead, Temperature, normal_like
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler, View
from mi_asym.networks.embedders import Distinct, VectorEmbedder, make_embedder
from mi_asym.networks.encoders import Encoder
from mi_asym.networks.layers import head
from mi_asym.networks.memories import Carry
from mi_asym.objectives.actor_critic import behaviour_cloning_loss, soft_value, squashed, temperature_loss
from mi_asym.objectives.temporal_difference import bootstrapped, double_q, mean_squared_error

ACTION_WIDTH = 16
"""Of the given action's embedding, robots (card 2.5)."""


class FrozenFeatures(nn.Module):
    """[psi(o), phi(s)] as stage 2 left them; `zero_observation` hides psi(o)."""

    def __init__(self, embedders: Embedders, zero_observation: bool) -> None:
        super().__init__()
        self.psi, self.phi = copy_of(embedders.observation), copy_of(embedders.state)
        self.zero_observation, self.width = zero_observation, 2 * Encoder.WIDTH

    def forward(self, observation: Distinct, state: Distinct) -> list[Distinct]:
        """Two blocks of 32 columns."""
        seen = observation.embedded(self.psi)
        if self.zero_observation:
            seen = Distinct(torch.zeros_like(seen.values), seen.where)
        return [seen, state.embedded(self.phi)]


class OwnEmbedder(nn.Module):
    """An embedding that is learnt with the policy; of an environment whose observation is the state."""

    def __init__(self, spec: TaskSpec, width: int, draw: torch.Generator) -> None:
        super().__init__()
        self.embedder, self.width = make_embedder(spec.state_size, spec.image_shape, width, draw), width

    def forward(self, observation: Distinct, state: Distinct) -> list[Distinct]:
        """One block of columns."""
        return [observation.embedded(self.embedder)]


def inputs_for(spec: TaskSpec, config: Any, draw: torch.Generator, embedders: Embedders | None) -> Any:
    """What the heads see."""
    if embedders is not None:
        return FrozenFeatures(embedders, config.zero_observation)
    return OwnEmbedder(spec, config.observation_width, draw)


class ValueNetwork(nn.Module):
    """Values of the present step alone: of every action, or of one that is given."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, embedders: Embedders | None) -> None:
        super().__init__()
        self.inputs = inputs_for(spec, config, draw, embedders)
        self.action = VectorEmbedder(spec.num_actions, ACTION_WIDTH, draw) if spec.continuous else None
        given = ACTION_WIDTH if spec.continuous else 0
        outputs, count = (1, 2) if spec.continuous else (spec.num_actions, 1)
        self.heads = nn.ModuleList(
            head(self.inputs.width + given, config.hidden_dims, outputs, draw) for _ in range(count)
        )

    def forward(self, observation: Distinct, state: Distinct, action: Tensor | None = None) -> Tensor:
        """(steps, actions), or (2, steps) of `action` (steps, actions)."""
        parts = self.inputs(observation, state)
        if action is None or self.action is None:
            return through_head(self.heads[0], *parts)  # type: ignore[arg-type]
        parts.append(Distinct(self.action(action), None))
        return torch.stack([through_head(one, *parts)[:, 0] for one in self.heads])  # type: ignore[arg-type]


class MarkovDqnAgent(Agent):
    """Double DQN without memory, on single transitions."""

    whole_sequences = False

    def __init__(
        self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, embedders: Embedders | None
    ) -> None:
        self.spec, self.config = spec, config
        self.critic = ValueNetwork(spec, config, draw, embedders).to(device)
        self.target = copy_of(self.critic)
        self.parts = {"critic": self.critic, "target": self.target}
        self.optimisers = {"critic": adam([self.critic], config.critic_lr)}

    def start(self, environments: int) -> Carry:
        return {}

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        action = self.critic(Distinct(view.observation, None), Distinct(view.state, None)).argmax(1)
        if noise is not None:
            action = with_random_actions(action, self.spec.num_actions, epsilon, noise)
        return action, carry

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        batch = sample(self.config.batch_size, draw)
        after, before = batch.packing.after, batch.packing.before
        with torch.no_grad():
            arrived = batch.observation.rows(after), batch.state.rows(after)
            following = double_q(self.critic(*arrived), self.target(*arrived))
            wanted = bootstrapped(batch.reward, batch.terminal, following, self.config.discount)
        values = self.critic(batch.observation.rows(before), batch.state.rows(before))
        taken = (values * batch.action).sum(1)
        loss = mean_squared_error(taken, wanted)
        descend(loss, self.optimisers["critic"])
        follow(self.target, self.critic, self.config.tau)
        return {"loss/critic": loss.detach(), "train/q": taken.detach().mean()}


class MarkovActor(nn.Module):
    """A squashed normal of the present step alone."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, embedders: Embedders | None) -> None:
        super().__init__()
        self.inputs = inputs_for(spec, config, draw, embedders)
        self.head = PolicyHead(self.inputs.width, config.hidden_dims, spec.num_actions, draw)

    def forward(self, observation: Distinct, state: Distinct) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (steps, actions) each."""
        mean, log_sd = self.head(*self.inputs(observation, state))
        return mean, log_sd


class MarkovSacAgent(Agent):
    """SAC without memory, on single transitions, which also imitates the scripted expert."""

    whole_sequences = False

    def __init__(
        self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, embedders: Embedders | None
    ) -> None:
        self.spec, self.config = spec, config
        self.actor = MarkovActor(spec, config, draw, embedders).to(device)
        self.critic = ValueNetwork(spec, config, draw, embedders).to(device)
        self.target = copy_of(self.critic)
        self.temperature = Temperature(config.initial_temperature).to(device)
        self.parts = {
            "actor": self.actor, "critic": self.critic, "target": self.target, "temperature": self.temperature,
        }  # fmt: skip
        self.optimisers = {
            "actor": adam([self.actor], config.actor_lr),
            "critic": adam([self.critic], config.critic_lr),
            "temperature": adam([self.temperature], config.temperature_lr),
        }

    def start(self, environments: int) -> Carry:
        return {}

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        mean, log_sd = self.actor(Distinct(view.observation, None), Distinct(view.state, None))
        return (mean.tanh() if noise is None else squashed(mean, log_sd, normal_like(mean, noise))[0]), carry

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        batch = sample(self.config.batch_size, draw)
        temperature = self.temperature.log.detach().exp()
        loss, values = self.critic_loss(batch, temperature, noise)
        descend(loss, self.optimisers["critic"])
        before = batch.packing.before
        left = batch.observation.rows(before), batch.state.rows(before)
        mean, log_sd = self.actor(*left)
        action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
        cloning = behaviour_cloning_loss(mean.tanh(), batch.action, batch.expert)
        actor_loss = -soft_value(self.critic(*left, action), log_probability, temperature).mean()
        descend(actor_loss + self.config.expert_weight * cloning, self.optimisers["actor"])
        follow(self.target, self.critic, self.config.tau)
        entropy = temperature_loss(self.temperature.log, log_probability.detach().mean(), -self.spec.num_actions)
        descend(entropy, self.optimisers["temperature"])
        return {
            "loss/critic": loss.detach(), "loss/actor": actor_loss.detach(), "loss/cloning": cloning.detach(),
            "train/q": values.mean(), "train/temperature": temperature,
        }  # fmt: skip

    def critic_loss(self, batch: Batch, temperature: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Both heads' squared errors, and the values of the actions taken."""
        after, before = batch.packing.after, batch.packing.before
        with torch.no_grad():
            arrived = batch.observation.rows(after), batch.state.rows(after)
            mean, log_sd = self.actor(*arrived)
            action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
            following = soft_value(self.target(*arrived, action), log_probability, temperature)
            wanted = bootstrapped(batch.reward, batch.terminal, following, self.config.discount)
        taken = self.critic(batch.observation.rows(before), batch.state.rows(before), batch.action)
        return mean_squared_error(taken[0], wanted) + mean_squared_error(taken[1], wanted), taken.detach()
