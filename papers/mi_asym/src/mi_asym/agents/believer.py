"""Believer: act on a learnt belief about the state's features (card 5.7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mi_asym.agents.base import Agent, Losses, adam, copy_of, descend, follow
from mi_asym.agents.dqn import with_random_actions
from mi_asym.agents.history import make_shortcut, shortcut_width, through_head
from mi_asym.agents.sac import PolicyHead, Temperature, normal_like
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler, View
from mi_asym.networks.belief import CONTEXT_WIDTH, LATENT, BeliefEncoder, ConditionalAutoencoder, Context
from mi_asym.networks.embedders import Distinct, VectorEmbedder
from mi_asym.networks.encoders import BeliefFeatures
from mi_asym.networks.layers import head
from mi_asym.networks.memories import Carry
from mi_asym.objectives.actor_critic import soft_value, squashed, temperature_loss
from mi_asym.objectives.belief import evidence_lower_bound
from mi_asym.objectives.temporal_difference import bootstrapped, double_q, mean_squared_error

ACTION_WIDTH = 32
"""Of the previous action's embedding beside the belief, robots (card 5.7)."""


class Belief(nn.Module):
    """Context and autoencoder, trained by the evidence lower bound alone."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator) -> None:
        super().__init__()
        self.context = Context(spec.observation_size, spec.image_shape, config.memory, draw, config.dropout)
        self.autoencoder = ConditionalAutoencoder(draw)
        self.count = config.belief_samples

    def bound(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Minus the evidence lower bound of all steps, over the number of transitions plus one."""
        context = self.context(batch.observation, batch.packing, noise)
        mean, sd = self.autoencoder.encode(batch.features, context)
        latent = mean + sd * normal_like(mean, noise)
        bound = evidence_lower_bound(batch.features, latent, (mean, sd), self.autoencoder.decode(latent, context))
        return -bound.sum() / (batch.packing.transitions + 1)

    @torch.no_grad()
    def samples(self, context: Tensor, noise: torch.Generator, mixed: bool = False) -> Tensor:
        """(steps, samples, 16) decoded from the prior; `mixed` lets steps trade theirs (ledger 5)."""
        latent = torch.randn(self.count, len(context), LATENT, generator=noise, device=context.device)
        mean, sd = self.autoencoder.decode(latent, context.expand(self.count, -1, CONTEXT_WIDTH))
        drawn = mean + sd * normal_like(mean, noise)
        return drawn.reshape(len(context), self.count, -1) if mixed else drawn.transpose(0, 1)

    def believed(self, batch: Batch, noise: torch.Generator, mixed: bool) -> Tensor:
        """Samples for every row of a batch; no gradient reaches the belief."""
        with torch.no_grad():
            context = self.context(batch.observation, batch.packing, noise)
        return self.samples(context, noise, mixed)


def acting_noise(noise: torch.Generator | None, device: str) -> torch.Generator:
    """Evaluation draws the same latent samples at each step."""
    return torch.Generator(device).manual_seed(0) if noise is None else noise


class BelievingAgent(Agent):
    """What both families share: the belief, learnt on a batch of its own before each update."""

    belief: Belief

    def learn_belief(
        self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, phi: BeliefFeatures
    ) -> None:
        """Make the belief and its optimiser."""
        self.spec, self.config, self.device = spec, config, device
        self.belief = Belief(spec, config, draw).to(device)
        self.target_belief = copy_of(self.belief)
        self.parts = {"belief": self.belief, "target_belief": self.target_belief, "state_features": phi.to(device)}
        self.optimisers = {"belief": adam([self.belief], config.believer_lr)}
        self.mixed = config.belief_layout == "mixed"

    def start(self, environments: int) -> Carry:
        previous = torch.zeros(environments, self.spec.num_actions, device=self.device)
        return {"previous": previous, **self.belief.context.start(environments)}

    def follow(self, target: nn.Module, online: nn.Module) -> None:
        """Let the targets follow, the belief's and that of what stands on it."""
        follow(self.target_belief, self.belief, self.config.tau)
        follow(target, online, self.config.tau)

    def improve(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        """One step of the belief."""
        loss = self.belief.bound(sample(self.config.aux_batch_size, draw), noise)
        descend(loss, self.optimisers["belief"])
        return {"loss/belief": loss.detach()}


class BelieverQ(nn.Module):
    """Q(belief, o)."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator) -> None:
        super().__init__()
        width = config.memory_width if config.memory == "gru" else config.observation_width + config.action_width
        self.belief = BeliefEncoder(width, draw)
        self.shortcut = make_shortcut(spec, shortcut_width(spec, config), draw)
        self.head = head(width + shortcut_width(spec, config), config.hidden_dims, spec.num_actions, draw)

    def forward(self, samples: Tensor, observation: Distinct) -> Tensor:
        """(steps, actions)"""
        return through_head(self.head, Distinct(self.belief(samples), None), observation.embedded(self.shortcut))


class BelieverDqnAgent(BelievingAgent):
    """Double DQN on a belief."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, phi: BeliefFeatures) -> None:
        self.learn_belief(spec, config, draw, device, phi)
        self.critic = BelieverQ(spec, config, draw).to(device)
        self.target = copy_of(self.critic)
        self.parts |= {"critic": self.critic, "target": self.target}
        self.optimisers["critic"] = adam([self.critic], config.critic_lr)

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        context, kept = self.belief.context.step(view.observation, carry, noise)
        samples = self.belief.samples(context, acting_noise(noise, self.device))
        action = self.critic(samples, Distinct(view.observation, None)).argmax(1)
        if noise is not None:
            action = with_random_actions(action, self.spec.num_actions, epsilon, noise)
        return action, {"previous": one_hot(action, self.spec.num_actions).float(), **kept}

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        losses = self.improve(sample, draw, noise)
        batch = sample(self.config.batch_size, draw)
        packing = batch.packing
        samples = self.belief.believed(batch, noise, self.mixed)
        values = self.critic(samples, batch.observation)
        with torch.no_grad():
            slow = self.target_belief.believed(batch, noise, self.mixed)[packing.after]
            following = self.target(slow, batch.observation.rows(packing.after))
            chosen = double_q(values[packing.after], following)
            wanted = bootstrapped(batch.reward, batch.terminal, chosen, self.config.discount)
        taken = (values[packing.before] * batch.action).sum(1)
        loss = mean_squared_error(taken, wanted)
        descend(loss, self.optimisers["critic"])
        self.follow(self.target, self.critic)
        return losses | {"loss/critic": loss.detach(), "train/q": taken.detach().mean()}


class BelieverHeads(nn.Module):
    """Actor and critic of [belief, o, previous action], one memory for both."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator) -> None:
        super().__init__()
        width = config.memory_width if config.memory == "gru" else config.observation_width + config.action_width
        self.belief = BeliefEncoder(width, draw)
        self.shortcut = make_shortcut(spec, config.observation_width, draw)
        self.previous = VectorEmbedder(spec.num_actions, ACTION_WIDTH, draw)
        inputs = width + config.observation_width + ACTION_WIDTH
        self.policy = PolicyHead(inputs, config.hidden_dims, spec.num_actions, draw)
        self.values = nn.ModuleList(head(inputs + spec.num_actions, config.hidden_dims, 1, draw) for _ in range(2))

    def see(self, samples: Tensor, observation: Distinct, previous: Distinct) -> list[Distinct]:
        """What all heads see."""
        belief = Distinct(self.belief(samples), None)
        return [belief, observation.embedded(self.shortcut), previous.embedded(self.previous)]

    def judge(self, seen: list[Distinct], action: Tensor) -> Tensor:
        """(2, steps) values of actions (steps, actions)."""
        parts = [*seen, Distinct(action, None)]
        return torch.stack([through_head(one, *parts)[:, 0] for one in self.values])  # type: ignore[arg-type]


class BelieverSacAgent(BelievingAgent):
    """SAC on a belief; one loss, 0.5 (Q1 + Q2) + actor, and one Adam."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, phi: BeliefFeatures) -> None:
        self.learn_belief(spec, config, draw, device, phi)
        self.heads = BelieverHeads(spec, config, draw).to(device)
        self.target = copy_of(self.heads)
        self.temperature = Temperature(config.initial_temperature).to(device)
        self.parts |= {"heads": self.heads, "target": self.target, "temperature": self.temperature}
        # As released, belief and shortcut layers stay as they were drawn (ledger 6).
        learning = [self.heads] if config.train_belief_policy else [self.heads.policy, self.heads.values]
        self.optimisers["heads"] = adam(learning, config.critic_lr)
        self.optimisers["temperature"] = adam([self.temperature], config.temperature_lr)

    @torch.no_grad()
    def act(
        self, view: View, carry: Carry, noise: torch.Generator | None, epsilon: float = 0.0
    ) -> tuple[Tensor, Carry]:
        context, kept = self.belief.context.step(view.observation, carry, noise)
        samples = self.belief.samples(context, acting_noise(noise, self.device))
        seen = self.heads.see(samples, Distinct(view.observation, None), Distinct(carry["previous"], None))
        mean, log_sd = self.heads.policy(*seen)
        action = mean.tanh() if noise is None else squashed(mean, log_sd, normal_like(mean, noise))[0]
        return action, {"previous": action, **kept}

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        losses = self.improve(sample, draw, noise)
        batch = sample(self.config.batch_size, draw)
        samples = self.belief.believed(batch, noise, self.mixed)
        error, actor_loss, log_probability, taken = self.losses(batch, samples, noise)
        descend(error + actor_loss, self.optimisers["heads"])
        self.follow(self.target, self.heads)
        entropy = temperature_loss(self.temperature.log, log_probability, -self.spec.num_actions)
        descend(entropy, self.optimisers["temperature"])
        return losses | {
            "loss/critic": error.detach(), "loss/actor": actor_loss.detach(), "train/q": taken.mean(),
            "train/temperature": self.temperature.log.detach().exp(),
        }  # fmt: skip

    def losses(self, batch: Batch, samples: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(half the heads' errors, actor's loss, its mean log probability, values of the actions taken)."""
        packing, temperature = batch.packing, self.temperature.log.detach().exp()
        after = packing.after
        arrived = batch.observation.rows(after), batch.previous_action.rows(after)
        with torch.no_grad():
            mean, log_sd = self.heads.policy(*self.heads.see(samples[after], *arrived))
            action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
            slow = self.target_belief.believed(batch, noise, self.mixed)[after]
            values = self.target.judge(self.target.see(slow, *arrived), action)
            following = soft_value(values, log_probability, temperature)
            wanted = bootstrapped(batch.reward, batch.terminal, following, self.config.discount)
        before = packing.before
        seen = self.heads.see(samples[before], batch.observation.rows(before), batch.previous_action.rows(before))
        taken = self.heads.judge(seen, batch.action)
        error = 0.5 * (mean_squared_error(taken[0], wanted) + mean_squared_error(taken[1], wanted))
        mean, log_sd = self.heads.policy(*seen)
        action, log_probability = squashed(mean, log_sd, normal_like(mean, noise))
        with frozen(self.heads.values):  # the actor's gradient passes through the values and leaves them alone
            actor_loss = -soft_value(self.heads.judge(seen, action), log_probability, temperature).mean()
        return error, actor_loss, log_probability.detach().mean(), taken.detach()


class frozen:  # noqa: N801 - used as a function
    """A block in which parameters take no gradient."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __enter__(self) -> None:
        self.module.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        self.module.requires_grad_(True)
