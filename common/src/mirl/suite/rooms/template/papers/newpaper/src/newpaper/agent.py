"""What acts and learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from newpaper.config import BaselineConfig, ReinforceConfig
from newpaper.envs import batch_of
from newpaper.networks import Policy, Value
from newpaper.objectives import (
    discounted_returns,
    entropy,
    log_probabilities,
    policy_loss,
    step_weights,
    value_loss,
)
from newpaper.rollout import Episodes
from newpaper.streams import generator


class Agent:
    """A policy, a value of states where the method has one, and their optimiser."""

    def __init__(self, task: str, config: ReinforceConfig, seed: int, device: str = "cpu") -> None:
        self.config, self.device, batch = config, device, batch_of(task, 1)
        size, hidden = batch.observation_size, config.hidden_sizes
        self.policy = Policy(size, hidden, batch.actions, generator(seed, 0, "policy")).to(device)
        groups: list[dict[str, Any]] = [{"params": self.policy.parameters(), "lr": config.learning_rate}]
        self.value: Value | None = None
        if isinstance(config, BaselineConfig):
            self.value = Value(size, hidden, generator(seed, 0, "value")).to(device)
            groups.append({"params": self.value.parameters(), "lr": config.value_learning_rate})
        self.optimiser = torch.optim.Adam(groups)

    def update(self, episodes: Episodes) -> dict[str, float]:
        """One step of the optimiser on whole episodes; returns the losses before it."""
        losses = self.losses(episodes)
        learnt = [losses[name] for name in ("loss/policy", "loss/value") if name in losses]
        self.optimiser.zero_grad()
        torch.autograd.backward(learnt)
        self.optimiser.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def losses(self, episodes: Episodes) -> dict[str, Tensor]:
        """Policy and value loss, which the optimiser sees, and the entropy, which is only told."""
        config = self.config
        parts = (episodes.observations, episodes.actions, episodes.rewards, episodes.alive)
        observations, actions, rewards, alive = (part.to(self.device) for part in parts)
        logits, returns = self.policy(observations), discounted_returns(rewards, config.discount)
        weights = step_weights(alive, config.discount, config.gradient_discount)
        baseline = torch.zeros_like(returns) if self.value is None else self.value(observations)
        chosen = log_probabilities(logits, actions)
        losses = {"loss/policy": policy_loss(chosen, returns - baseline, weights)}
        if self.value is not None:
            losses["loss/value"] = value_loss(baseline, returns, alive)
        return losses | {"loss/entropy": entropy(logits, alive)}

    def state(self) -> dict[str, Any]:
        """What is learnt, as a checkpoint has it."""
        value = {} if self.value is None else {"value": self.value.state_dict()}
        return {"policy": self.policy.state_dict(), **value, "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.policy.load_state_dict(state["policy"])
        if self.value is not None:
            self.value.load_state_dict(state["value"])
        self.optimiser.load_state_dict(state["optimiser"])
