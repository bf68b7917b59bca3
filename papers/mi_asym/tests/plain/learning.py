"""Losses as the card writes them: padded sequences with masks, every pass anew, no row computed once for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mi_asym.experience import Batch

TIMES = 51


@dataclass(frozen=True)
class Padded:
    """Arrays of length T + 1 (card 5.3): entry t holds o_t, s_t and the a_t, r_t, d_t that led to them."""

    observation: Tensor
    action: Tensor
    features: Tensor
    state: Tensor
    reward: Tensor
    terminal: Tensor
    mask: Tensor
    """(times, sequences); 1 from t = 0 on to the last valid step."""


def padded(batch: Batch, junk: float = 0.0) -> Padded:
    """A packed batch as padded arrays, `junk` behind the valid steps."""
    packing = batch.packing
    time, sequence = packing.time, packing.sequence

    def spread(rows: Tensor, first: bool = True) -> Tensor:
        whole = torch.full((TIMES, packing.sequences, *rows.shape[1:]), junk)
        if not first:
            whole[0] = 0.0
        index = slice(None) if first else packing.after
        whole[time[index], sequence[index]] = rows
        return whole

    mask = torch.zeros(TIMES, packing.sequences)
    mask[time, sequence] = 1.0
    return Padded(
        spread(batch.observation.all), spread(batch.previous_action.all), spread(batch.features),
        spread(batch.state.all), spread(batch.reward, first=False), spread(batch.terminal, first=False), mask,
    )  # fmt: skip


def remember(critic: Any, data: Padded) -> Tensor:
    """(times, sequences, width) of a GRU's memory, step inputs side by side."""
    history = critic.history
    flat = data.observation.flatten(0, 1)
    seen = history.observation(flat).view(*data.mask.shape, -1)
    done = history.action(data.action)
    outputs: Tensor = history.memory.gru(torch.cat([done, seen], -1))[0]
    return outputs


def values(critic: Any, hidden: Tensor, data: Padded) -> Tensor:
    """(times, sequences, actions)"""
    shortcut = critic.shortcut(data.observation.flatten(0, 1)).view(*data.mask.shape, -1)
    outputs: Tensor = critic.head(torch.cat([hidden, shortcut], -1))
    return outputs


def errors(agent: Any, hidden: Tensor, data: Padded) -> Tensor:
    """e_t = m_t - |cos(m_t R(h_t), m_t phi(s_t))|, (times, sequences)."""
    mask = data.mask[..., None]
    told, wanted = agent.reconstructor(hidden) * mask, data.features * mask
    return data.mask - cosine_similarity(told, wanted, dim=-1, eps=1e-6).abs()


def reconstruction_loss(agent: Any, data: Padded) -> Tensor:
    """The reconstructor's own loss on a batch of its own."""
    with torch.no_grad():
        hidden = remember(agent.critic, data)
    return errors(agent, hidden, data).sum() / (data.mask[1:].sum() + 1)


def loss(agent: Any, data: Padded, ours: bool = True) -> Tensor:
    """Masked double-Q loss; with `ours` on shaped rewards and beside the auxiliary loss (card 5.4, 5.5)."""
    config, mask = agent.config, data.mask[1:]
    count = mask.sum()
    reward = data.reward[1:]
    if ours:
        with torch.no_grad():
            error = errors(agent, remember(agent.critic, data), data)
            reward = reward + config.reward_weight * (error[:-1] - error[1:])
    with torch.no_grad():
        choosing = values(agent.critic, remember(agent.critic, data), data)[1:].argmax(-1, keepdim=True)
        following = values(agent.target, remember(agent.target, data), data)[1:].gather(-1, choosing)[..., 0]
        wanted = reward + config.discount * (1.0 - data.terminal[1:]) * following
    hidden = remember(agent.critic, data)
    taken = (values(agent.critic, hidden, data)[:-1] * data.action[1:]).sum(-1)
    total = (mask * (taken - wanted)).square().sum() / count
    if ours:
        total = total + config.loss_weight * errors(agent, hidden, data).sum() / (count + 1)
    return total


def update(agent: Any, auxiliary: Padded, data: Padded) -> None:
    """One update: the reconstructor's step, then the critic's with its target's."""
    agent.optimisers["reconstructor"].zero_grad()
    reconstruction_loss(agent, auxiliary).backward()
    agent.optimisers["reconstructor"].step()
    agent.optimisers["critic"].zero_grad()
    loss(agent, data).backward()
    agent.optimisers["critic"].step()
    with torch.no_grad():
        for slow, fast in zip(agent.target.parameters(), agent.critic.parameters(), strict=True):
            slow.copy_((1 - agent.config.tau) * slow + agent.config.tau * fast)
