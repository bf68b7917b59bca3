"""PEARL's losses, one task, one transition, one factor at a time (Rakelly et al. 2019; card 5.9)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mime.pearl.agent import PearlAgent


def posterior(agent: PearlAgent, context: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(z|c) of one task by multiplying normal densities pairwise; context (number, width)."""
    mean, variance = None, None
    for transition in context:
        observation, action, reward, following = agent.columns.split(transition)
        parts = [observation, action, reward[None], *([following] if agent.config.use_next_obs_in_context else [])]
        factor = agent.networks["encoder"].body(torch.cat(parts))
        size = len(factor) // 2
        one, its = factor[:size], torch.clamp(torch.log(1 + torch.exp(factor[size:])), min=1e-7)
        if mean is None:
            mean, variance = one, its
        else:
            mean = (mean * its + one * variance) / (variance + its)
            variance = variance * its / (variance + its)
    return mean, variance


def losses(agent: PearlAgent, batch: Tensor, context: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The losses of one gradient step before any network moves; arguments as of `PearlAgent.update`."""
    config, networks = agent.config, agent.networks
    critic, value, policy, encoder = [], [], [], []
    outputs = []
    for task in range(len(batch)):
        mean, variance = posterior(agent, context[task])
        z = mean + variance.sqrt() * noise[0][task]
        encoder.append(kl_divergence(Normal(mean, variance.sqrt()), Normal(torch.zeros(5), torch.ones(5))).sum())
        for row in range(batch.shape[1]):
            observation, action, reward, following = agent.columns.split(batch[task, row])
            target = config.reward_scale * reward + config.discount * networks["target_value"](following, z)
            pair = [networks[q](observation, action, z) for q in ("q1", "q2")]
            critic.append(sum((q - target.detach()) ** 2 for q in pair))
            mu, log_sd = networks["policy"](observation, z.detach())
            before = mu + log_sd.exp() * noise[1][task, row]
            chosen = torch.tanh(before)
            log_pi = (Normal(mu, log_sd.exp()).log_prob(before) - torch.log(1 - chosen**2)).sum()
            least = torch.min(*(networks[q](observation, chosen, z.detach()) for q in ("q1", "q2")))
            value.append((networks["value"](observation, z.detach()) - (least - log_pi).detach()) ** 2)
            policy.append(log_pi - least)
            outputs.append((mu, log_sd))
    penalty = sum(1e-3 * (torch.stack(part) ** 2).mean() for part in zip(*outputs, strict=True))
    return {
        "critic": torch.stack(critic).mean(),
        "value": torch.stack(value).mean(),
        "policy": torch.stack(policy).mean() + penalty,
        "encoder_kl": torch.stack(encoder).sum(),
    }
