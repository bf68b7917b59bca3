"""What each method makes of observations: how it embeds them, and what trains its latent states (card 5.2 to 5.6)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow import Tensor

from mummi.config import Config, CvrlConfig, MummiConfig
from mummi.inputs import clipped_rewards
from mummi.networks import MIN_STD, ConvDecoder, ConvEncoder, Dense, DenseStack, Maker
from mummi.objectives import (
    Gaussian,
    divergence_term,
    fuse_experts,
    gaussian_entropy,
    gaussian_log_density,
    info_nce,
    info_nce_of_sensed,
    similarity,
)
from mummi.rssm import Latent, Rssm
from mummi.sensed import distinct_rows, each_once, sensed_rows

Inputs = Mapping[str, Tensor]
PIXEL_CHANNELS = {"image": 3, "depth": 1}
TOUCH_UNITS = {"mummi": 128, "cvrl": 256, "dreamer": 128}
"""Width of the touch encoder's three hidden layers."""
TOUCH_DECODER_UNITS = 96


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
        terms = {"reward": (1.0, tf.reduce_mean(gaussian_log_density(rewards, self.rewards(features))))}
        terms |= self.likelihoods(features, embedding, inputs)
        if self.config.pcont:
            target = self.config.discount * tf.cast(batch["discount"], tf.float32)
            chance = tf.nn.sigmoid_cross_entropy_with_logits(target, self.pcont(features)[..., 0])
            terms["pcont"] = (self.config.pcont_scale, -tf.reduce_mean(chance))
        divergence = divergence_term(posts.gaussian, priors, self.config.free_nats)
        loss = self.config.kl_scale * divergence - tf.add_n([weight * likes for weight, likes in terms.values()])
        metrics = {f"loss/{name}": -likes for name, (_, likes) in terms.items()}
        metrics |= {
            "loss/div": divergence,
            "loss/model": loss,
            "train/prior_ent": tf.reduce_mean(gaussian_entropy(priors)),
            "train/post_ent": tf.reduce_mean(gaussian_entropy(posts.gaussian)),
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


class Reconstruction(WorldModel):
    """A world model with a decoder a modality."""

    def make_decoders(self, make: Maker, touch_size: int) -> None:
        config = self.config
        self.decoders: dict[str, Any] = {
            name: ConvDecoder(
                make.inside(f"{name}_decoder"),
                self.feature_size,
                PIXEL_CHANNELS[name],
                config.cnn_depth,
                config.cnn_act,
            )
            for name in self.modalities
            if name in PIXEL_CHANNELS
        }
        if "touch" in self.modalities:
            hidden = [TOUCH_DECODER_UNITS] * 3
            make = make.inside("touch_decoder")
            self.decoders["touch"] = DenseStack(make, self.feature_size, hidden, touch_size, config.dense_act)

    def log_density(self, name: str, features: Tensor, observed: Tensor) -> Tensor:
        """log N(o; decoded, 1) of a modality, summed over its numbers: (n, S + D), (n, ...) -> (n,)."""
        density = gaussian_log_density(observed, self.decoders[name](features))
        return tf.reduce_sum(density, list(range(1, len(density.shape))))


class DreamerModel(Reconstruction):
    """Latent states are trained by reconstruction of what was observed (card 5.6)."""

    def __init__(self, make: Maker, config: Config, action_size: int, touch_size: int) -> None:
        super().__init__(make, config, action_size, touch_size, "dreamer")
        self.make_decoders(make, touch_size)

    def likelihoods(self, features: Tensor, embedding: Embedding, inputs: Inputs) -> dict[str, tuple[float, Tensor]]:
        """Reconstructions of what is missing count nothing."""
        return {
            name: (1.0, self.likelihood(name, rows_of(features), rows_of(inputs[name]), inputs[f"{name}_flag"]))
            for name in self.modalities
        }

    def likelihood(self, name: str, features: Tensor, observed: Tensor, flags: Tensor) -> Tensor:
        """The mean over all N rows of log-density times flag, a scalar; what is missing is not decoded."""
        all_rows, flags = features.shape[0], tf.reshape(flags, [-1])
        if self.skips_missing:
            rows = distinct_rows(flags)
            features, observed, flags = (tf.gather(part, rows) for part in (features, observed, flags))
        return tf.reduce_sum(self.log_density(name, features, observed) * flags) / all_rows


class CvrlModel(Reconstruction):
    """One bilinear density ratio between latent states and all codes side by side; flags are not used (card 5.5)."""

    config: CvrlConfig

    def __init__(self, make: Maker, config: CvrlConfig, action_size: int, touch_size: int) -> None:
        super().__init__(make, config, action_size, touch_size, "cvrl")
        if config.has_decoders:
            self.make_decoders(make, touch_size)
            return
        half, whole, act = config.num_units // 2, config.num_units, config.dense_act
        float32 = Maker(make.seed, tf.float32, make.prefix + "critic/")
        self.critic_features = [
            Dense(make.inside("critic/features_0"), self.feature_size, half, act),
            Dense(float32.inside("features_1"), half, half, act),
        ]
        self.critic_codes = [
            Dense(make.inside("critic/codes_0"), self.embedding_size, whole, act),
            Dense(float32.inside("codes_1"), whole, half, act),
        ]

    def likelihoods(self, features: Tensor, embedding: Embedding, inputs: Inputs) -> dict[str, tuple[float, Tensor]]:
        weight = 0.0 if self.config.reward_only else 1.0
        if self.config.has_decoders:
            rows = rows_of(features)
            return {
                name: (weight, tf.reduce_mean(self.log_density(name, rows, rows_of(inputs[name]))))
                for name in self.modalities
            }
        left, right = rows_of(features), rows_of(embedding.fused)
        for layer in self.critic_features:
            left = layer(left)
        for layer in self.critic_codes:
            right = layer(right)
        bound = info_nce(similarity(left, right, "bilinear"), tf.ones(left.shape[0]))
        return {"image": (weight, tf.reduce_mean(bound))}


class MummiModel(WorldModel):
    """An expert a modality, fused by precision, each tied to the latent state by a density ratio (card 5.2, 5.3)."""

    config: MummiConfig

    def __init__(self, make: Maker, config: MummiConfig, action_size: int, touch_size: int) -> None:
        super().__init__(make, config, action_size, touch_size, "mummi")
        size = config.embed_size
        self.experts = {
            name: DenseStack(make.inside(f"{name}_expert"), self.code_sizes[name], [size], 2 * size, config.cnn_act)
            for name in self.modalities
        }
        self.latent_map = Dense(make.inside("latent_map"), self.feature_size, size, config.cnn_act)
        self.weights = {name: float(getattr(config, f"{name}_weight")) for name in self.modalities}

    @property
    def embedding_size(self) -> int:
        return self.config.embed_size

    def code(self, name: str, observed: Tensor) -> Tensor:
        return self.experts[name](super().code(name, observed))

    def embed(self, inputs: Inputs) -> Embedding:
        experts = {name: expert_of(code) for name, code in self.codes(inputs).items()}
        flags = [inputs[f"{name}_flag"] for name in self.modalities]
        fused = fuse_experts(
            [experts[name] for name in self.modalities], flags, self.config.poe_eps, self.config.expert_weight
        )
        return Embedding(fused, experts)

    def likelihoods(self, features: Tensor, embedding: Embedding, inputs: Inputs) -> dict[str, tuple[float, Tensor]]:
        mapped = tf.cast(self.latent_map(rows_of(features)), tf.float32)
        return {
            name: (self.weights[name], self.bound(mapped, rows_of(expert.mean), inputs[f"{name}_flag"]))
            for name, expert in embedding.experts.items()
        }

    def bound(self, mapped: Tensor, means: Tensor, flags: Tensor) -> Tensor:
        """The mean of card 5.3's I over N rows, (N, E) each, a scalar; missing ones are 0 and count all the same."""
        config = self.config
        if not self.skips_missing:
            similarities = similarity(mapped, means, config.kernel)
            flags = tf.reshape(flags, [-1])
            return tf.reduce_mean(info_nce(similarities, flags, config.mask_logit, config.masked_negatives))
        rows, all_rows = sensed_rows(flags), means.shape[0]
        similarities = similarity(tf.gather(mapped, rows), tf.gather(means, rows), config.kernel)
        missing = all_rows - tf.size(rows)
        bounds = info_nce_of_sensed(similarities, missing, config.mask_logit, config.masked_negatives)
        return tf.reduce_sum(bounds) / all_rows


def expert_of(stats: Tensor) -> Gaussian:
    """(..., 2 E) -> an expert's mean and std = softplus + 0.1."""
    mean, raw_std = tf.split(stats, 2, -1)
    return Gaussian(mean, tf.nn.softplus(raw_std) + MIN_STD)


def rows_of(sequences: Tensor) -> Tensor:
    """(B, L, ...) -> (B L, ...)"""
    return tf.reshape(sequences, (-1, *sequences.shape[2:]))


def make_world_model(make: Maker, config: Config, action_size: int, touch_size: int) -> WorldModel:
    """The world model of the method that a config belongs to."""
    if isinstance(config, MummiConfig):
        return MummiModel(make, config, action_size, touch_size)
    if isinstance(config, CvrlConfig):
        return CvrlModel(make, config, action_size, touch_size)
    return DreamerModel(make, config, action_size, touch_size)
