"""A gradient step as the original would make it: every time step unrolled, every layer on one moment at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mummi.agent import Agent, Gradients
from mummi.config import CvrlConfig, DreamerConfig, MummiConfig
from mummi.inputs import network_inputs
from mummi.noise import UpdateNoise
from mummi.rssm import Latent
from plain.distributions import kl_divergence, log_density


def losses(agent: Agent, batch: Mapping[str, Any], noise: UpdateNoise) -> dict[str, Any]:
    """model, actor and value loss of one batch, and the likelihoods of each modality."""
    config: Any = agent.config
    model: Any = agent.model
    inputs = network_inputs(batch, config)
    length = batch["action"].shape[1]
    latent = model.rssm.initial(batch["action"].shape[0])
    divergences, posts, embeddings = [], [], []
    for time in range(length):
        moment = {name: value[:, time] for name, value in inputs.items()}
        embedding = model.embed(moment)
        action = tf.cast(batch["action"][:, time], tf.float32)
        prior = model.rssm.prior_step(latent, action, tf.zeros_like(noise.posterior[time]))
        latent = model.rssm.posterior_step(latent, action, embedding.fused, noise.posterior[time])
        divergences.append(kl_divergence(latent.gaussian, prior.gaussian))
        posts.append(latent)
        embeddings.append(embedding)
    features = tf.stack([post.feature for post in posts], 1)
    rewards = tf.cast(batch["reward"], tf.float32)
    reward = tf.reduce_mean(log_density(rewards, model.reward(features)[..., 0]))
    likes = likelihoods(agent, features, embeddings, inputs)
    weights = {name: getattr(config, f"{name}_weight", 1.0) for name in likes}
    weighted = sum(weights[name] * value for name, value in likes.items())
    kl = tf.maximum(tf.reduce_mean(tf.stack(divergences)), config.free_nats)
    result = {"model": config.kl_scale * kl - reward - weighted, "reward": -reward, "div": kl}
    result |= {name: -value for name, value in likes.items()}
    return result | behaviour_losses(agent, posts, noise)


def likelihoods(agent: Agent, features: Any, embeddings: list[Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    config, model = agent.config, agent.model
    if isinstance(config, DreamerConfig):
        found = {}
        for name in model.modalities:
            density = log_density(inputs[name], model.decoders[name](features))
            summed = tf.reduce_sum(density, list(range(2, len(density.shape)))) * inputs[f"{name}_flag"][..., 0]
            found[name] = tf.reduce_mean(summed)
        return found
    rows = features.shape[0] * features.shape[1]
    flat = tf.reshape(features, (rows, -1))
    if isinstance(config, CvrlConfig):
        codes = tf.reshape(tf.stack([one.fused for one in embeddings], 1), (rows, -1))
        left = model.critic_features[1](model.critic_features[0](flat))
        right = model.critic_codes[1](model.critic_codes[0](codes))
        bounds = [
            tf.reduce_sum(left[i] * right[i]) - tf.reduce_logsumexp(tf.linalg.matvec(right, left[i]))
            for i in range(rows)
        ]
        return {"image": tf.reduce_mean(tf.stack(bounds))}
    assert isinstance(config, MummiConfig)
    mapped = model.latent_map(flat)
    found = {}
    for name in model.modalities:
        means = tf.reshape(tf.stack([one.experts[name].mean for one in embeddings], 1), (rows, -1))
        flags = tf.reshape(inputs[f"{name}_flag"], (-1,))
        bounds = []
        for i in range(rows):
            similarity = -tf.reduce_sum((mapped[i][None] - means) ** 2, -1)
            logits = tf.where(flags > 0, similarity, config.mask_logit)
            bounds.append(flags[i] * (similarity[i] - tf.reduce_logsumexp(logits)))
        found[name] = tf.reduce_mean(tf.stack(bounds))
    return found


def behaviour_losses(agent: Agent, posts: list[Latent], noise: UpdateNoise) -> dict[str, Any]:
    config, model, behaviour = agent.config, agent.model, agent.behaviour
    latent = Latent(
        *(
            tf.stop_gradient(tf.reshape(tf.stack(parts, 1), (-1, parts[0].shape[-1])))
            for parts in zip(*posts, strict=True)
        )
    )
    features = []
    for k in range(config.horizon):
        gaussian = behaviour.actor(tf.stop_gradient(latent.feature))
        action = tf.tanh(gaussian.mean + gaussian.std * noise.imagination.actions[k])
        latent = model.rssm.prior_step(latent, action, noise.imagination.latents[k])
        features.append(latent.feature)
    rewards = [model.reward(feature)[..., 0] for feature in features]
    values = [behaviour.value(feature)[..., 0] for feature in features]
    last, returns = values[-1], []
    for k in reversed(range(config.horizon - 1)):
        last = rewards[k] + config.discount * ((1 - config.disclam) * values[k + 1] + config.disclam * last)
        returns.insert(0, last)
    actor, value = 0.0, 0.0
    for k, one in enumerate(returns):
        weight = config.discount**k
        predicted = behaviour.value(tf.stop_gradient(features[k]))[..., 0]
        actor -= tf.reduce_mean(weight * one) / len(returns)
        value -= tf.reduce_mean(weight * log_density(tf.stop_gradient(one), predicted)) / len(returns)
    return {"actor": actor, "value": value}


def gradients(agent: Agent, batch: Mapping[str, Any], noise: UpdateNoise) -> tuple[Gradients, dict[str, Any]]:
    """Of the three losses, each for its own networks."""
    with tf.GradientTape(persistent=True) as tape:
        found = losses(agent, batch, noise)
    adams = {"model": agent.model_adam, "value": agent.value_adam, "actor": agent.actor_adam}
    zero = tf.UnconnectedGradients.ZERO
    return Gradients(
        *(tape.gradient(found[name], adam.moved, unconnected_gradients=zero) for name, adam in adams.items())
    ), found
