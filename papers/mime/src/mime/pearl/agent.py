"""PEARL's agent: soft actor-critic with V, told a latent variable that an encoder infers (card 5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mime.pearl.config import PearlConfig
from mime.pearl.networks import ContextEncoder, Policy, Scalar
from mime.pearl.objectives import (
    critic_loss,
    critic_targets,
    kl_to_prior,
    policy_loss,
    posterior_sample,
    product_of_factors,
    squashed,
    value_loss,
)
from mime.pearl.replay import Columns
from mime.streams import generator


class PearlAgent:
    """Infers a task, acts in it and learns from a batch of tasks."""

    def __init__(
        self, config: PearlConfig, observation_size: int, action_size: int, seed: int, device: str = "cpu"
    ) -> None:
        self.config, self.device = config, device
        self.action_size = action_size
        self.columns = Columns(observation_size, action_size)
        seen, units, latent = observation_size, config.net_size, config.latent_size
        context = seen + action_size + 1 + (seen if config.use_next_obs_in_context else 0)

        def source(name: str) -> torch.Generator:
            return generator(seed, 0, f"pearl {name}")

        self.networks: dict[str, nn.Module] = {
            "q1": Scalar(seen + action_size + latent, units, source("q1")),
            "q2": Scalar(seen + action_size + latent, units, source("q2")),
            "value": Scalar(seen + latent, units, source("value")),
            "target_value": Scalar(seen + latent, units, source("value")),
            "policy": Policy(seen + latent, units, action_size, source("policy")),
            "encoder": ContextEncoder(context, config.context_net_size, latent, source("encoder")),
        }
        for network in self.networks.values():
            network.to(device)
        rates = {"q1": config.qf_lr, "q2": config.qf_lr, "value": config.vf_lr,
                 "policy": config.policy_lr, "encoder": config.context_lr}  # fmt: skip
        self.optimisers = {
            name: torch.optim.Adam(self.networks[name].parameters(), lr=rate) for name, rate in rates.items()
        }

    # Acting

    @torch.no_grad()
    def act(self, observations: Tensor, latent: Tensor, noise: Tensor | None) -> Tensor:
        """Actions in [-1, 1], the likeliest where `noise` is None; all (..., size) with equal leading dimensions."""
        mean, log_sd = self.networks["policy"](observations, latent)
        return mean.tanh() if noise is None else squashed(mean, log_sd, noise)[0]

    @torch.no_grad()
    def infer(self, transitions: Tensor, noise: Tensor) -> Tensor:
        """z from the posterior given context (..., context, width); noise and result (..., latent)."""
        return posterior_sample(*self.posterior(transitions), noise)

    def posterior(self, transitions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(z|c), (..., latent) each, of context (..., context, width)."""
        observations, actions, rewards, following = self.columns.split(transitions)
        parts = [observations, actions, rewards[..., None]]
        if self.config.use_next_obs_in_context:
            parts.append(following)
        return product_of_factors(*self.networks["encoder"](torch.cat(parts, dim=-1)))

    # Learning

    def update(self, batch: Tensor, context: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """One gradient step of everything; returns losses, which nobody has waited for.

        batch: (tasks, rows, width); context: (tasks, context, width); noise: standard normal, of the latent variables
        (tasks, latent) and of the actions (tasks, rows, actions). The encoder learns from the critics alone.
        """
        config, networks = self.config, self.networks
        observations, actions, rewards, following = self.columns.split(batch)
        mean, variance = self.posterior(context)
        latent = posterior_sample(mean, variance, noise[0])[:, None].expand(-1, batch.shape[1], -1)
        with torch.no_grad():
            targets = critic_targets(
                rewards, networks["target_value"](following, latent), config.reward_scale, config.discount
            )
        divergence = kl_to_prior(mean, variance)
        first, second = (networks[q](observations, actions, latent) for q in ("q1", "q2"))
        critics = critic_loss(first, second, targets)
        self.step(critics + config.kl_lambda * divergence, ["q1", "q2", "encoder"])

        latent = latent.detach()
        policy_mean, policy_log_sd = networks["policy"](observations, latent)
        chosen, log_probability = squashed(policy_mean, policy_log_sd, noise[1])
        least_q = torch.minimum(*(networks[q](observations, chosen, latent) for q in ("q1", "q2")))
        values = value_loss(networks["value"](observations, latent), least_q, log_probability)
        self.step(values, ["value"])
        self.move_target()
        policy = policy_loss(log_probability, least_q, policy_mean, policy_log_sd)
        self.step(policy, ["policy"])
        losses = {"critic": critics, "value": values, "policy": policy, "encoder_kl": divergence}
        return {f"loss/{name}": loss.detach() for name, loss in losses.items()}

    def step(self, loss: Tensor, names: Iterable[str]) -> None:
        """One Adam step of the named networks, and of no other, along the gradient of `loss`."""
        parameters = [parameter for name in names for parameter in self.networks[name].parameters()]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        for name in names:
            self.optimisers[name].step()

    @torch.no_grad()
    def move_target(self) -> None:
        """Let the target of V follow V."""
        pairs = zip(self.networks["target_value"].parameters(), self.networks["value"].parameters(), strict=True)
        for target, value in pairs:
            target.lerp_(value, self.config.soft_target_tau)

    # What a checkpoint holds

    def state(self) -> dict[str, Any]:
        """Parameters and moments, by name."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def parameter_counts(self) -> dict[str, int]:
        """Numbers in each network."""
        counted = {name: network for name, network in self.networks.items() if name not in ("q2", "target_value")}
        return {name: sum(p.numel() for p in network.parameters()) for name, network in counted.items()}
