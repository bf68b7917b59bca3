"""A gradient step as the released code computes it: whole matrices of pairs, full horizons, one network pass a use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sami.agent import Agent
from sami.networks import encoder_inputs
from sami.replay import TrajectoryBuffer
from sami.streams import chooser, normal


def pairs_loss(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Card 5.6, word by word: every row stays in, zero rows too."""

    def unit(rows: Tensor) -> Tensor:
        return rows / rows.norm(dim=-1, keepdim=True).clamp(min=1e-12)

    queries, positives, negatives = unit(queries), unit(positives), unit(negatives)
    attracted = torch.nn.functional.logsigmoid(queries @ positives.T / 0.1)
    repelled = torch.nn.functional.logsigmoid(-(queries @ negatives.T) / 0.1)
    return -attracted.mean() - repelled.mean()


def whole(buffer: TrajectoryBuffer, chosen: Any, actions_of: Any = None) -> dict[str, Tensor]:
    """Trajectories over all horizon + 1 entries, whatever stands behind their ends."""
    others = chosen if actions_of is None else actions_of
    slots, numbers = chosen.T
    return {
        "observations": buffer.arrays["observations"][slots, numbers],
        "actions": buffer.arrays["actions"][slots, others[:, 1]],
        "rewards": buffer.arrays["rewards"][slots, numbers],
        "lengths": torch.from_numpy(buffer.lengths_now(chosen)),
        "terminated": torch.from_numpy(buffer.terminated[slots, numbers]),
    }


def contrastive_loss(agent: Agent, buffer: TrajectoryBuffer, contrast: Any) -> Tensor:
    """The unweighted loss with the faithful switches."""
    config: Any = agent.config
    stale = config.contrast_actions == "previous_slot"
    embeddings = []
    for chosen, encoder in (
        (contrast.positives, agent.encoder),
        (contrast.positives, agent.target_encoder),
        (contrast.negatives, agent.target_encoder),
    ):
        batch = whole(buffer, chosen, buffer.before(chosen) if stale else None)
        actions = batch["actions"]
        if not stale:
            actions = torch.cat([torch.zeros_like(actions[:, :1]), actions[:, :-1]], dim=1)
        contexts = encoder(encoder_inputs(batch["observations"], actions, agent.action_index))
        contexts = contexts if encoder is agent.encoder else contexts.detach()
        last = batch["lengths"] - (1 if config.masked_rows == "zeros" else 0)
        mask = torch.arange(contexts.shape[1]) < last[:, None]
        if config.masked_rows == "zeros":
            rows = (contexts * mask[..., None]).flatten(0, 1)
            beyond = len(batch["lengths"]) * (config.rows_beyond_horizon - 1)
            embeddings.append(torch.cat([rows, rows.new_zeros(beyond, rows.shape[1])]))
        else:
            embeddings.append(contexts[mask])
    queries, positives, negatives = embeddings
    if config.use_weighted_info_nce:
        positives, negatives = agent.encoder.weighting(positives), agent.encoder.weighting(negatives)
    return pairs_loss(queries, positives, negatives)


def gradient_step(agent: Agent, buffer: TrajectoryBuffer, number: int) -> dict[str, Tensor]:
    """The same as `agent.gradient_step`, with the same random numbers."""
    config: Any = agent.config
    choices = chooser(agent.seed, agent.updates, "trajectories")
    contrast = agent.choose_contrast(buffer, choices, number)
    chosen = agent.choose_batch(buffer, choices)
    losses = {}
    if contrast is not None:
        gap = contrast.positive_scores.mean() - contrast.negative_scores.mean()
        weight = min(max(config.adversarial_loss_coef * gap, 0.0), 1.0)
        loss = contrastive_loss(agent, buffer, contrast)
        agent.encoder_optimiser.zero_grad()
        (weight * loss).backward()
        agent.encoder_optimiser.step()
        losses |= {"loss/encoder": (weight * loss).detach(), "loss/contrastive": loss.detach()}
    losses |= actor_critic_step(agent, whole(buffer, chosen))
    with torch.no_grad():
        for (target, online), share in zip(agent.targets(), (config.tau, config.encoder_tau), strict=True):
            for old, new in zip(target.parameters(), online.parameters(), strict=True):
                old.copy_((1 - share) * old + share * new)
    agent.updates += 1
    return losses


def actor_critic_step(agent: Agent, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Card 5.7 with every transition in one pass."""
    config = agent.config
    observations, rewards, lengths = batch["observations"], batch["rewards"], batch["lengths"]
    horizon = rewards.shape[1] - 1
    times = torch.arange(horizon)
    valid = times < lengths[:, None]
    previous = torch.cat([torch.zeros_like(batch["actions"][:, :1]), batch["actions"][:, :-1]], dim=1)
    inputs = encoder_inputs(observations, previous, agent.action_index)
    with torch.no_grad():
        next_contexts = agent.target_encoder(inputs)[:, 1:][valid]
    contexts = agent.encoder(inputs)[:, :-1][valid]
    ended = times == (lengths - 1)[:, None]
    if config.timeouts == "bootstrap":
        ended = ended & (batch["terminated"][:, None] == 1)
    ended = ended[valid].float()
    now, later = observations[:, :-1][valid], observations[:, 1:][valid]
    action, reward = batch["actions"][:, :-1][valid], rewards[:, :-1][valid]
    next_noise, noise = (
        normal(agent.seed, agent.updates, purpose, *action.shape) for purpose in ("next actions", "actions")
    )
    alpha = agent.log_temperature.detach().exp()

    def act(features: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = agent.actor(features)
        squashed = torch.tanh(mean + log_std.exp() * random)
        density = torch.distributions.Normal(mean, log_std.exp()).log_prob(mean + log_std.exp() * random)
        return squashed, (density - torch.log(1 - squashed**2 + 1e-6)).sum(-1)

    with torch.no_grad():
        next_features = torch.cat([later, next_contexts], dim=-1)
        next_action, next_density = act(next_features, next_noise)
        lower = torch.minimum(*agent.target_critics(next_features, next_action))
        target = reward + (1 - ended) * config.gamma * (lower - alpha * next_density)
    first, second = agent.critics(torch.cat([now, contexts], dim=-1), action)
    critic_loss = 0.5 * (((first - target) ** 2).mean() + ((second - target) ** 2).mean())
    agent.critic_optimiser.zero_grad()
    agent.encoder_optimiser.zero_grad()
    critic_loss.backward()
    agent.critic_optimiser.step()
    agent.encoder_optimiser.step()
    features = torch.cat([now, contexts.detach()], dim=-1)
    played, density = act(features, noise)
    actor_loss = (alpha * density - torch.minimum(*agent.critics(features, played))).mean()
    agent.actor_optimiser.zero_grad()
    actor_loss.backward()
    agent.actor_optimiser.step()
    temperature_loss = -(agent.log_temperature * (density.detach() + agent.target_entropy)).mean()
    agent.temperature_optimiser.zero_grad()
    temperature_loss.backward()
    agent.temperature_optimiser.step()
    return {
        "loss/critic": critic_loss.detach(),
        "loss/actor": actor_loss.detach(),
        "loss/temperature": temperature_loss.detach(),
    }
