"""The recurrent state-space model (card 5.1). What does not recur is computed on all rows at once, outside the loop."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tensorflow import Tensor

from mummi.distributions import Gaussian, gaussian_of
from mummi.networks import Dense, Gru, Maker


class Latent(NamedTuple):
    """A latent state: mean, std and a sample of its stochastic part (..., S), and its deterministic part (..., D)."""

    mean: Tensor
    std: Tensor
    stoch: Tensor
    deter: Tensor

    @property
    def gaussian(self) -> Gaussian:
        return Gaussian(self.mean, self.std)

    @property
    def feature(self) -> Tensor:
        """(..., S + D): what every head reads."""
        return tf.concat([self.stoch, self.deter], -1)


class Rssm(tf.Module):  # type: ignore[misc]
    """Prior and posterior over latent states, given actions and embeddings of observations."""

    def __init__(self, make: Maker, action_size: int, embed_size: int, stoch: int, deter: int, activation: str) -> None:
        super().__init__()
        self.stoch, self.deter = stoch, deter
        self.prior_input = Dense(make.inside("prior_input"), stoch + action_size, deter, activation)
        self.gru = Gru(make.inside("gru"), deter, deter)
        self.prior_hidden = Dense(make.inside("prior_hidden"), deter, deter, activation)
        self.prior_stats = Dense(make.inside("prior_stats"), deter, 2 * stoch)
        self.post_hidden = Dense(make.inside("post_hidden"), deter + embed_size, deter, activation)
        self.post_stats = Dense(make.inside("post_stats"), deter, 2 * stoch)

    def initial(self, rows: int) -> Latent:
        """Zeros, the standard deviation too."""
        stoch, deter = tf.zeros((rows, self.stoch)), tf.zeros((rows, self.deter))
        return Latent(stoch, stoch, stoch, deter)

    def prior_step(self, latent: Latent, action: Tensor, noise: Tensor) -> Latent:
        """The state after `action` (B, A), unobserved; noise: (B, S), or (1, S) for all rows alike."""
        hidden = self.prior_input(tf.concat([latent.stoch, action], -1))
        deter = self.gru(hidden, latent.deter)
        return sampled(self.prior(deter), deter, noise)

    def posterior_step(self, latent: Latent, action: Tensor, embedding: Tensor, noise: Tensor) -> Latent:
        """The state after `action` led to an observation embedded as `embedding` (B, E); noise as above."""
        hidden = self.prior_input(tf.concat([latent.stoch, action], -1))
        deter = self.gru(hidden, latent.deter)
        hidden = self.post_hidden(tf.concat([deter, tf.cast(embedding, deter.dtype)], -1))
        return sampled(gaussian_of(self.post_stats(hidden)), deter, noise)

    def prior(self, deter: Tensor) -> Gaussian:
        """(..., D) -> the stochastic part before it is observed."""
        return gaussian_of(self.prior_stats(self.prior_hidden(deter)))

    def observe(self, embeddings: Tensor, actions: Tensor, noise: Tensor) -> tuple[Latent, Gaussian]:
        """Posterior states and priors of sequences from zeros on: (L, B, ...) each.

        embeddings: (B, L, E); actions: (B, L, A), each the one that led to its observation; noise: (L, B or 1, S).
        The loop carries the state alone: the shares of action and embedding in their layers are computed before it,
        the priors after it. A chunk never crosses episodes, so nothing resets inside (card 5.1).
        """
        action_share = self.prior_input.partial(time_first(actions), self.stoch)
        embedding_share = self.post_hidden.partial(time_first(embeddings), self.deter)

        def step(latent: Latent, given: tuple[Tensor, Tensor, Tensor]) -> Latent:
            from_action, from_embedding, eps = given
            hidden = with_share(self.prior_input, latent.stoch, from_action)
            deter = self.gru(hidden, latent.deter)
            hidden = with_share(self.post_hidden, deter, from_embedding)
            return sampled(gaussian_of(self.post_stats(hidden)), deter, eps)

        posts = tf.scan(step, (action_share, embedding_share, noise), self.initial(actions.shape[0]))
        return posts, self.prior(posts.deter)


def with_share(layer: Dense, inputs: Tensor, share: Tensor) -> Tensor:
    """A layer's output where `share` is what its other inputs add."""
    return layer.activate(layer.partial(inputs, 0) + share + tf.cast(layer.bias, layer.dtype))


def sampled(gaussian: Gaussian, deter: Tensor, noise: Tensor) -> Latent:
    """A latent state with the sample that `noise`, standard normal, makes."""
    return Latent(gaussian.mean, gaussian.std, gaussian.sample(noise), deter)


def time_first(sequences: Tensor) -> Tensor:
    """(B, L, n) -> (L, B, n)"""
    return tf.transpose(sequences, (1, 0, 2))
