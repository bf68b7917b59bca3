"""Sampling: the episodes of all tasks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mime.envs import BatchedEnvironment, Task, WholeEpisodes, class_of
from mime.networks import Layout, policy_layers, policy_log_sd, tanh


@dataclass(frozen=True)
class Episodes:
    """Whole episodes of equal length, time-major within each task."""

    observations: Tensor
    """Before each step, as the policy saw them: (tasks, time, episodes, size)."""
    actions: Tensor
    """As the policy chose them, unclipped: (tasks, time, episodes, size)."""
    rewards: Tensor
    """Raw rewards: (tasks, time, episodes)."""
    successes: Tensor
    """1 where a step reported success: (tasks, time, episodes)."""

    @property
    def env_steps(self) -> int:
        """Environment interactions in the batch."""
        return self.rewards.numel()

    def returns(self) -> Tensor:
        """Raw undiscounted return of each episode: (tasks, episodes)."""
        return self.rewards.sum(1)

    def episode_successes(self) -> Tensor:
        """1 where any step of the episode reported success: (tasks, episodes)."""
        return self.successes.amax(1)

    def travel(self) -> Tensor:
        """How far each episode's last observation lies from its first, Euclidean: (tasks, episodes)."""
        distance: Tensor = (self.observations[:, -1] - self.observations[:, 0]).norm(dim=-1)
        return distance

    def statistics(self) -> dict[str, float]:
        """Means over tasks; `success` as in the paper counts a task if any of its episodes succeeded (ledger 16)."""
        return {
            "return": float(self.returns().mean()),
            "travel": float(self.travel().mean()),
            "success": float(self.episode_successes().amax(1).mean()),
            "trajectory_success": float(self.episode_successes().mean()),
        }


def class_statistics(tasks: Sequence[Task], episodes: Episodes) -> dict[str, dict[str, float]]:
    """Class of ML10 -> `return` and `success` over the tasks of that class; empty for other environments."""
    members: dict[str, list[int]] = {}
    for number, task in enumerate(tasks):
        name = class_of(task)
        if name is not None:
            members.setdefault(name, []).append(number)
    returns, successes = episodes.returns().mean(1), episodes.episode_successes().amax(1)
    return {
        name: {"return": float(returns[numbers].mean()), "success": float(successes[numbers].mean())}
        for name, numbers in members.items()
    }


def rows(values: Tensor) -> Tensor:
    """(tasks, time, episodes, ...) -> (tasks, time x episodes, ...), time-major."""
    return values.flatten(1, 2)


@torch.no_grad()
def sample(environment: BatchedEnvironment, layout: Layout, parameters: Tensor, noise: Tensor) -> Episodes:
    """Play one episode per entry of `noise`.

    parameters: (tasks, parameters); noise: standard normal, (tasks, time, episodes, action size), one number per
    action component.
    """
    layers = policy_layers(layout, parameters)
    deviations = policy_log_sd(layout, parameters).exp()[:, None, None] * noise
    if isinstance(environment, WholeEpisodes):
        return Episodes(*environment.play(layers, deviations))
    # A column of ones carries the bias, so that a step costs three matrix products and little else.
    weights = [torch.cat([weight.mT, bias[:, None]], dim=1) for weight, bias in layers]
    one = torch.ones(*noise[:, 0, :, :1].shape, device=noise.device)
    observation = environment.reset()
    observations, actions, rewards, successes = [], [], [], []
    for step in range(environment.horizon):
        values = observation
        for weight in weights[:-1]:
            values = tanh(torch.bmm(torch.cat([values, one], dim=2), weight))
        action = torch.bmm(torch.cat([values, one], dim=2), weights[-1]) + deviations[:, step]
        observations.append(observation)
        actions.append(action)
        observation, reward, success = environment.step(action)
        rewards.append(reward)
        successes.append(success)
    return Episodes(*(torch.stack(part, dim=1) for part in (observations, actions, rewards, successes)))
