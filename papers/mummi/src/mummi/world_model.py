"""What all methods share of a world model: encoders, recurrent model, heads and the loss (card 5.1, 5.4)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow import Tensor

from mummi.config import Config
from mummi.distributions import Gaussian, entropy, log_density
from mummi.inputs import clipped_rewards
from mummi.networks import ConvEncoder, DenseStack, Maker
from mummi.objectives import divergence_term
from mummi.rssm import Latent, Rssm
from mummi.sensed import each_once

Inputs = Mapping[str, Tensor]
PIXEL_CHANNELS = {"image": 3, "depth": 1}
TOUCH_UNITS = {"mummi": 128, "cvrl": 256, "dreamer": 128}
"""Width of the touch encoder's three hidden layers."""


class Embedding(NamedTuple):
    """What the recurrent model is told of an observation, and, in MuMMI, each modality's expert."""

    fused: Tensor
    """(..., E)"""
    experts: dict[str, Gaussian]
    """Modality -> mean and std (..., embed_size); empty in the other methods."""


class WorldModel(tf.Module):  # type: ignore[misc]
    """Encoders, recurrent model and heads; trained together by one optimiser."""

    def __init__(self, make: Maker, config: Config, action_size: int, touch_size: int, method: str) -> None:
        super().__init__()
        self.config, self.modalities = config, config.modalities
        pictures = [name for name in self.modalities if name in PIXEL_CHANNELS]
        self.encoders: dict[str, Any] = {
            name: ConvEncoder(make.inside(f"{name}_encoder"), PIXEL_CHANNELS[name], config.cnn_depth, config.cnn_act)
            for name in pictures
        }
        sizes = [self.encoders[name].size for name in pictures]
        if "touch" in self.modalities:
            hidden = [TOUCH_UNITS[method]] * 3
            self.encoders["touch"] = DenseStack(
                make.inside("touch_encoder"), touch_size, hidden, config.embed_size, config.cnn_act, config.cnn_act
            )
            sizes.append(config.embed_size)
        self.code_sizes = dict(zip(self.modalities, sizes, strict=True))
        self.feature_size = config.stoch_size + config.deter_size
        self.rssm = Rssm(
            make.inside("rssm"),
            action_size,
            self.embedding_size,
            config.stoch_size,
            config.deter_size,
            config.dense_act,
        )
        self.skips_missing = not config.jit_compile  # how many are missing is known late, and XLA wants fixed shapes
        units, activation = config.num_units, config.dense_act
        self.reward = DenseStack(make.inside("reward"), self.feature_size, [units] * 2, 1, activation)
        if config.pcont:
            self.pcont = DenseStack(make.inside("pcont"), self.feature_size, [units] * 3, 1, activation)

    @property
    def embedding_size(self) -> int:
        """Numbers that the recurrent model is told of an observation: the modalities' codes, side by side."""
        return sum(self.code_sizes.values())

    def code(self, name: str, observed: Tensor) -> Tensor:
        """One modality's encoding, in MuMMI what its expert makes of it: (..., code size)."""
        return self.encoders[name](observed)

    def codes(self, inputs: Inputs) -> dict[str, Tensor]:
        """Each modality's code; missing moments, which look all alike, are encoded once."""
        if not self.skips_missing:
            return {name: self.code(name, inputs[name]) for name in self.modalities}
        return {
            name: each_once(partial(self.code, name), inputs[name], inputs[f"{name}_flag"]) for name in self.modalities
        }

    def embed(self, inputs: Inputs) -> Embedding:
        """Observations as `network_inputs` gives them, any leading axes."""
        codes = self.codes(inputs)
        return Embedding(tf.concat([codes[name] for name in self.modalities], -1), {})

    @abstractmethod
    def likelihoods(self, features: Tensor, embedding: Embedding, inputs: Inputs) -> dict[str, tuple[float, Tensor]]:
        """What the observations add to the objective: name -> (weight, mean log-likelihood or bound), scalars.

        features: (B, L, S + D).
        """

    def observe(self, embedding: Embedding, actions: Tensor, noise: Tensor) -> tuple[Latent, Gaussian]:
        """Posterior states and priors of sequences, (L, B, ...)."""
        return self.rssm.observe(embedding.fused, actions, noise)

    def loss(
        self, batch: Mapping[str, Tensor], inputs: Inputs, noise: Tensor
    ) -> tuple[Tensor, Latent, dict[str, Tensor]]:
        """The model's loss, the posterior states (B, L, ...), and what is logged of them (card 5.4)."""
        embedding = self.embed(inputs)
        posts, priors = self.observe(embedding, tf.cast(batch["action"], tf.float32), noise)
        features = tf.transpose(posts.feature, (1, 0, 2))
        rewards = clipped_rewards(batch["reward"], self.config)
        terms = {"reward": (1.0, tf.reduce_mean(log_density(rewards, self.rewards(features))))}
        terms |= self.likelihoods(features, embedding, inputs)
        if self.config.pcont:
            target = self.config.discount * tf.cast(batch["discount"], tf.float32)
            goes_on = tfp.distributions.Bernoulli(self.pcont(features)[..., 0])
            terms["pcont"] = (self.config.pcont_scale, tf.reduce_mean(goes_on.log_prob(target)))
        divergence = divergence_term(posts.gaussian, priors, self.config.free_nats)
        loss = self.config.kl_scale * divergence - tf.add_n([weight * likes for weight, likes in terms.values()])
        metrics = {f"loss/{name}": -likes for name, (_, likes) in terms.items()}
        metrics |= {
            "loss/div": divergence,
            "loss/model": loss,
            "train/prior_ent": tf.reduce_mean(entropy(priors)),
            "train/post_ent": tf.reduce_mean(entropy(posts.gaussian)),
        }
        return loss, Latent(*(tf.transpose(part, (1, 0, 2)) for part in posts)), metrics

    def rewards(self, features: Tensor) -> Tensor:
        """Predicted rewards, (...)."""
        return self.reward(features)[..., 0]

    def discounts(self, features: Tensor) -> Tensor:
        """Discount at each imagined state, (...): fixed, or the predicted chance that the episode goes on."""
        if self.config.pcont:
            return tf.sigmoid(self.pcont(features)[..., 0])
        return self.config.discount * tf.ones(features.shape[:-1])


def rows_of(sequences: Tensor) -> Tensor:
    """(B, L, ...) -> (B L, ...)"""
    return tf.reshape(sequences, (-1, *sequences.shape[2:]))
