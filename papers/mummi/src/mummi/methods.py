"""What trains each method's latent states, and what MuMMI makes of its sensors (card 5.2, 5.3, 5.5, 5.6)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import Tensor

from mummi.config import Config, CvrlConfig, MummiConfig
from mummi.distributions import gaussian_of, log_density
from mummi.networks import ConvDecoder, Dense, DenseStack, Maker
from mummi.objectives import fuse_experts, info_nce, info_nce_of_sensed, similarity
from mummi.sensed import distinct_rows, sensed_rows
from mummi.world_model import PIXEL_CHANNELS, Embedding, Inputs, WorldModel, rows_of

TOUCH_DECODER_UNITS = 96


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
        density = log_density(observed, self.decoders[name](features))
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
        experts = {name: gaussian_of(code) for name, code in self.codes(inputs).items()}
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


def make_world_model(make: Maker, config: Config, action_size: int, touch_size: int) -> WorldModel:
    """The world model of the method that a config belongs to."""
    if isinstance(config, MummiConfig):
        return MummiModel(make, config, action_size, touch_size)
    if isinstance(config, CvrlConfig):
        return CvrlModel(make, config, action_size, touch_size)
    return DreamerModel(make, config, action_size, touch_size)
