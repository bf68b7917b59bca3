"""The actor, what it imagines, and how an action is chosen (card 5.7, 5.8)."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tensorflow import Tensor

from mummi.config import Config
from mummi.distributions import Gaussian, action_gaussian, likeliest, squashed
from mummi.networks import DenseStack, Maker
from mummi.objectives import discount_weights, lambda_returns
from mummi.rssm import Latent
from mummi.world_model import WorldModel

MODE_SAMPLES = 100
"""Samples that the actor's mode and entropy are estimated from."""


class ImaginationNoise(NamedTuple):
    """Standard normal numbers for H imagined steps of N states."""

    actions: Tensor
    """(H, N, A)"""
    latents: Tensor
    """(H, N, S), or (H, 1, S) where all states share them."""


class Exploration(NamedTuple):
    """What may disturb the actions of n environments."""

    gaussian: Tensor
    """(n, A), standard normal."""
    uniform: Tensor
    """(n, A), in [-1, 1)."""
    chance: Tensor
    """(n,), in [0, 1)."""
    index: Tensor
    """(n,), integers below A."""


class Imagined(NamedTuple):
    """What an imagined rollout of H steps is worth at its first H - 1 states."""

    values: Tensor
    """(H - 1, N): the value network's."""
    returns: Tensor
    """(H - 1, N): lambda-returns."""
    weights: Tensor
    """(H - 1, N): products of discounts."""


class Actor(tf.Module):  # type: ignore[misc]
    """Four dense layers and a squashed Gaussian over actions."""

    def __init__(self, make: Maker, config: Config, feature_size: int, action_size: int) -> None:
        super().__init__()
        self.stack = DenseStack(make, feature_size, [config.num_units] * 4, 2 * action_size, config.dense_act)
        self.init_std = config.action_init_std

    def __call__(self, features: Tensor) -> Gaussian:
        """(..., S + D) -> mean and std of actions before squashing, (..., A)."""
        raw_mean, raw_std = tf.split(self.stack(features), 2, -1)
        return action_gaussian(raw_mean, raw_std, self.init_std)


class Behaviour(tf.Module):  # type: ignore[misc]
    """Actor and value network over a world model that they do not change."""

    def __init__(self, make: Maker, config: Config, model: WorldModel, action_size: int) -> None:
        super().__init__()
        self.config, self.model = config, model
        units = [config.num_units] * 3
        self.actor = Actor(make.inside("actor"), config, model.feature_size, action_size)
        self.value = DenseStack(make.inside("value"), model.feature_size, units, 1, config.dense_act)

    def imagine(self, start: Latent, noise: ImaginationNoise, first_action: Tensor | None = None) -> Tensor:
        """Features of H states after `start`, (H, N, S + D); `first_action` (N, A) replaces the actor's first choice.

        Later actions see features through a stop-gradient, so that a gradient flows through the dynamics alone.
        """
        if first_action is None:
            first_action = self.sample(start, noise.actions[0])
        first = self.model.rssm.prior_step(start, first_action, noise.latents[0])

        def step(latent: Latent, given: tuple[Tensor, Tensor]) -> Latent:
            for_action, for_latent = given
            return self.model.rssm.prior_step(latent, self.sample(latent, for_action), for_latent)

        later = tf.scan(step, (noise.actions[1:], noise.latents[1:]), first)
        return tf.concat([first.feature[None], later.feature], 0)

    def sample(self, latent: Latent, noise: Tensor) -> Tensor:
        return squashed(self.actor(tf.stop_gradient(latent.feature)), noise)

    def appraise(self, features: Tensor) -> Imagined:
        """Rewards, values and discounts of imagined states, turned into lambda-returns."""
        values, paid = self.value(features)[..., 0], features[:-1]
        rewards, discounts = self.model.rewards(paid), self.model.discounts(paid)
        returns = lambda_returns(rewards, values[:-1], discounts, values[-1], self.config.disclam)
        return Imagined(values[:-1], returns, discount_weights(discounts))

    # Choosing an action

    def mode(self, latent: Latent, noise: Tensor) -> Tensor:
        """The likeliest of many samples; noise: (samples, B, A)."""
        return likeliest(self.actor(latent.feature), noise, self.config.first_env_decides)

    def optimised(self, latent: Latent, noise: ImaginationNoise, step_size: float) -> Tensor:
        """A sampled action, moved along the gradient of its imagined return: trajectory_opt."""
        action = self.sample(latent, noise.actions[0])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(action)
            worth = self.appraise(self.imagine(latent, noise, action)).returns[0]
            total = worth[0] if self.config.first_env_decides else tf.reduce_sum(worth)
        return action + step_size * tape.gradient(total, action)

    def searched(self, latent: Latent, noise: ImaginationNoise, samples: int) -> Tensor:
        """The first action of the best of `samples` rollouts from each of B states: forward_search.

        noise: (H, B samples, ...)
        """
        repeated = Latent(*(tf.repeat(part, samples, 0) for part in latent))
        actions = self.sample(repeated, noise.actions[0])
        worth = self.appraise(self.imagine(repeated, noise, actions)).returns[0]
        rows = latent.deter.shape[0]
        best = tf.argmax(tf.reshape(worth, (rows, samples)), 1)
        return tf.gather(tf.reshape(actions, (rows, samples, actions.shape[-1])), best, batch_dims=1)


def explored(actions: Tensor, kind: str, amount: Tensor, noise: Exploration) -> Tensor:
    """Actions (n, A) as `expl` disturbs them (card 2.6, 5.8); amount: a standard deviation, or a chance."""
    if kind == "completely_random":
        return noise.uniform
    if kind == "epsilon_greedy":
        one_hot = tf.one_hot(noise.index, actions.shape[-1])
        return tf.where(noise.chance[:, None] < amount, one_hot, actions)
    return tf.clip_by_value(actions + amount * noise.gaussian, -1.0, 1.0)
