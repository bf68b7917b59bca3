"""UA and BA: critics that see the state, with the history (unbiased) or instead of it (biased) (card 5.7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mi_asym.agents.base import Losses, copy_of, descend, follow
from mi_asym.agents.dqn import DqnAgent
from mi_asym.agents.history import make_shortcut, shortcut_width, through_head
from mi_asym.agents.sac import Critic, SacAgent
from mi_asym.envs import TaskSpec
from mi_asym.experience import Batch, Sampler
from mi_asym.networks.embedders import Distinct
from mi_asym.networks.layers import head
from mi_asym.objectives.temporal_difference import bootstrapped, mean_squared_error


class StateValues(nn.Module):
    """Q(h_t, o_t, s_t), or Q(o_t, s_t) where there is no history: values per action that know the state."""

    def __init__(self, spec: TaskSpec, config: Any, history_width: int, draw: torch.Generator) -> None:
        super().__init__()
        self.state = make_shortcut(spec, config.state_width, draw)
        inputs = history_width + shortcut_width(spec, config) + config.state_width
        self.head = head(inputs, config.hidden_dims, spec.num_actions, draw)

    def forward(self, hidden: Tensor | None, observation: Distinct, state: Distinct) -> Tensor:
        """hidden (steps, width) or None; observation already embedded; returns (steps, actions)."""
        parts = [] if hidden is None else [Distinct(hidden, None)]
        return through_head(self.head, *parts, observation, state.embedded(self.state))


class AsymmetricDqnAgent(DqnAgent):
    """Acts by Q(h, o), which is taught by values that see the state."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, biased: bool) -> None:
        super().__init__(spec, config, draw, device)
        self.biased = biased
        self.state_values = StateValues(spec, config, 0 if biased else self.critic.history.width, draw).to(device)
        self.target_state_values = copy_of(self.state_values)
        self.parts |= {"state_values": self.state_values, "target_state_values": self.target_state_values}
        self.learn(self.state_values)

    def follow(self) -> None:
        super().follow()
        follow(self.target_state_values, self.state_values, self.config.tau)

    def update(self, sample: Sampler, draw: torch.Generator, noise: torch.Generator) -> Losses:
        loss, terms = self.loss(sample(self.config.batch_size, draw), noise)
        descend(loss, self.optimisers["critic"])
        self.follow()
        return terms

    def loss(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Losses]:
        """Half the state values' error and half the history values' (ledger 3)."""
        after, before = batch.packing.after, batch.packing.before
        hidden = self.critic.history(batch, noise)
        with torch.no_grad():
            remembered = self.target.history(batch, noise)[after]
            arrived = batch.observation.rows(after)
            best = self.target.values(remembered, arrived).argmax(1, keepdim=True)
            known = self.target_state_values(
                None if self.biased else remembered, arrived.embedded(self.target.shortcut), batch.state.rows(after)
            )
            wanted = bootstrapped(batch.reward, batch.terminal, known.gather(1, best)[:, 0], self.config.discount)
        left = batch.observation.rows(before)
        embedded = left.embedded(self.critic.shortcut)
        by_history = (self.critic.values(hidden[before], left) * batch.action).sum(1)
        by_state = self.state_values(None if self.biased else hidden[before], embedded, batch.state.rows(before))
        state_error = 0.5 * mean_squared_error((by_state * batch.action).sum(1), wanted)
        if self.config.history_target == "same_target":
            history_error = 0.5 * mean_squared_error(by_history, wanted)
        else:
            history_error = 0.5 * mean_squared_error(by_history[:, None], known)
        terms = {"loss/critic": history_error.detach(), "loss/state_values": state_error.detach()}
        return history_error + state_error, terms | {"train/q": by_history.detach().mean()}


class AsymmetricSacAgent(SacAgent):
    """The critic sees the state, beside its memory (unbiased) or without one (biased)."""

    def __init__(self, spec: TaskSpec, config: Any, draw: torch.Generator, device: str, biased: bool) -> None:
        critic = Critic(spec, config, draw, None, config.observation_width, with_history=not biased)
        super().__init__(spec, config, draw, device, critic=critic)
        self.learn()
