"""Small data that several tests share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mime.dynamics import DynamicsModel
from mime.envs import batch_of, make
from mime.networks import Layout, dynamics_layout, initial_policy, is_rho, policy_layout
from mime.objectives import (
    baseline_features,
    baseline_values,
    discounted_returns,
    fitted_baseline,
    generalised_advantages,
    normalised,
    standardised,
)
from mime.rollout import Episodes, sample
from mime.surrogate import Experience, MetaBatch

SWITCHES = {
    "": "maml",
    "--add-noise": "maml_noise",
    "--use-vime": "maml_expl",
    "--use-vime --adapt-eta": "mime",
    "--e-maml": "e_maml",
}
"""The original's switches -> the method that they mean."""


def repeating(layout: Layout, divisor: float) -> Tensor:
    """Every parameter tensor filled row-major with ((i mod 7) - 3) / divisor, as the card's checks want it."""
    return layout.flatten(
        {
            name: ((torch.arange(math.prod(shape)) % 7 - 3) / divisor).reshape(shape)
            for name, shape in layout.shapes.items()
        }
    )


def repeating_dynamics(layout: Layout, prior_sd: float) -> Tensor:
    """Means filled as above with divisor 10, standard deviations at the prior."""
    named = layout.unflatten(repeating(layout, 10.0))
    rho = math.log(math.expm1(prior_sd))
    return layout.flatten({name: torch.full_like(v, rho) if is_rho(name) else v for name, v in named.items()})


def toy_episodes(offset: float) -> Episodes:
    """The card's toy data (check 5): one task, 4 steps, 2 episodes; time-major."""
    t, b = torch.arange(4.0)[:, None].expand(4, 2), torch.arange(2.0)[None].expand(4, 2)
    observations = torch.stack([0.1 * t + 0.3 * b + offset, 0.2 * b - 0.05 * t], dim=-1)
    actions = torch.stack([0.5 - 0.2 * t * b, 0.1 * t - 0.3 + offset], dim=-1)
    rewards = (t + b + round(10 * offset)) % 3
    return Episodes(observations[None], actions[None], rewards[None], torch.zeros(1, 4, 2))


def experience(episodes: Episodes, gamma: float, intrinsic: Tensor | None = None, share: float = 0.1) -> Experience:
    """Judge episodes as the agent does, in the precision of their rewards."""
    extrinsic = standardised(episodes.rewards)
    rewards = extrinsic if intrinsic is None else (1.05 - share) * extrinsic + (share + 0.05) * intrinsic
    features = baseline_features(episodes.observations)
    values = baseline_values(features, fitted_baseline(features, discounted_returns(rewards, gamma)))
    advantages = normalised(generalised_advantages(rewards, values, gamma, 1.0))
    return Experience(episodes, extrinsic, intrinsic, values, advantages)


def random_batch(seed: int, dtype: torch.dtype = torch.float64, bonus: bool = False, steps: int = 1) -> MetaBatch:
    """Navigation episodes of 3 tasks near the origin (the last one out of reach), 15 steps, 4 episodes."""
    generator = torch.Generator().manual_seed(seed)
    environment = make("2DNavigationSparse-v0", seed).unwrapped
    goals = torch.tensor([[0.6, 0.3], [-0.5, 0.9], [8.0, 0.0]]).numpy()
    layout = policy_layout(2, (64, 64), 2)
    parameters = initial_policy(layout, generator).expand(3, -1)
    phases = []
    for _ in range(steps + 1):
        noise = torch.randn(3, 15, 4, 2, generator=generator)
        batched = batch_of(environment, [{"goal": goal} for goal in goals], 4, 15)
        episodes = Episodes(*(part.to(dtype) for part in vars(sample(batched, layout, parameters, noise)).values()))
        intrinsic = standardised(torch.randn(3, 15, 4, generator=generator).to(dtype)) if bonus else None
        phases.append(experience(episodes, 0.99, intrinsic))
    return MetaBatch(phases[:-1], phases[-1])


def random_policy(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Layout, Tensor]:
    """A policy with every parameter away from zero."""
    layout = policy_layout(2, (64, 64), 2)
    generator = torch.Generator().manual_seed(seed)
    return layout, (initial_policy(layout, generator) + 0.05 * torch.randn(layout.size, generator=generator)).to(dtype)


def dynamics_model(prior_sd: float = 0.5, chunk: int = 8) -> DynamicsModel:
    """Observation 2, action 2, hidden 32."""
    return DynamicsModel(dynamics_layout(2, (32,), 2), prior_sd, chunk=chunk)


def some_experience(
    rewards: list[list[float]],
    successes: list[list[float]],
    intrinsic_return: float = 0.0,
    combined_return: float = 0.0,
) -> Experience:
    """Episodes of two steps, rewarded and successful at the last; rewards and successes are (tasks, episodes)."""
    ends = [torch.tensor(numbers, dtype=torch.float32)[:, None] for numbers in (rewards, successes)]
    paid, succeeded = (torch.cat([torch.zeros_like(end), end], dim=1) for end in ends)
    nothing = torch.zeros_like(paid)
    episodes = Episodes(nothing[..., None], nothing[..., None], paid, succeeded)
    return Experience(episodes, nothing, None, nothing, nothing, intrinsic_return, combined_return)
