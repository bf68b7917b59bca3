"""What a little learning changes: losses, how experts agree, what depth alone tells (card 9.4 a to c)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mummi.agent import Agent
from mummi.inputs import clipped_rewards, network_inputs
from mummi.noise import graph_seed, normal
from mummi.replay import Replay
from mummi.streams import stream
from mummi.world_model import rows_of

BATCHES = 4
"""Batches that a measurement averages."""


def probe(agent: Agent, replay: Replay, seed: int) -> dict[str, float]:
    """Measures of one agent on a replay, always on the same sequences and with the same noise.

    eval/loss_*: the model's loss and its terms; unlike loss/*, whose batches differ in how much is missing and so in
    what chance gives, they compare over time. eval/reward_error: mean squared error of predicted rewards, all sensors
    as they were; eval/reward_error_depth_alone: the same with image and touch missing throughout;
    eval/reward_error_of_mean: that of always predicting the batch's mean, below which something is learnt; for MuMMI
    also eval/expert_distance_ratio, see `distance_ratio`, and the same of image and depth alone, whose bounds weigh 1.
    """
    found = [measures(agent, replay, seed, number) for number in range(BATCHES)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def measures(agent: Agent, replay: Replay, seed: int, number: int) -> dict[str, float]:
    """The same of one batch, keyed by its number."""
    config, generator = agent.config, stream(seed, "probe", number)
    batch = replay.sample(generator, config.batch_size, config.batch_length, False, agent.learnt)
    noise = normal(tf.constant(graph_seed(seed, "probe", number)), 0, (config.batch_length, 1, config.stoch_size))
    inputs = network_inputs(batch, config)
    metrics = agent.model.loss(batch, inputs, noise)[2]
    losses = {name.replace("loss/", "eval/loss_"): float(value) for name, value in metrics.items() if "loss/" in name}
    found = losses | {
        "eval/reward_error": reward_error(agent, batch, noise),
        "eval/reward_error_depth_alone": reward_error(agent, without(batch, ("image", "touch")), noise),
        "eval/reward_error_of_mean": float(np.var(clipped_rewards(batch["reward"], config))),
    }
    experts = agent.model.embed(inputs).experts
    if experts:
        means = {name: rows_of(expert.mean).numpy() for name, expert in experts.items()}
        flags = {name: batch[f"{name}_flag"].reshape(-1) > 0 for name in experts}
        cameras = {name: means[name] for name in ("image", "depth")}
        found["eval/expert_distance_ratio"] = distance_ratio(means, flags, generator)
        found["eval/expert_distance_ratio_image_depth"] = distance_ratio(cameras, flags, generator)
    return found


def reward_error(agent: Agent, batch: Mapping[str, NDArray[Any]], noise: tf.Tensor) -> float:
    """Mean squared error of the rewards that posterior states predict."""
    embedding = agent.model.embed(network_inputs(batch, agent.config))
    posts, _ = agent.model.observe(embedding, tf.cast(batch["action"], tf.float32), noise)
    predicted = tf.transpose(agent.model.rewards(posts.feature))
    return float(tf.reduce_mean(tf.square(predicted - clipped_rewards(batch["reward"], agent.config))))


def without(batch: Mapping[str, NDArray[Any]], modalities: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """A batch in which sensors are missing: zeros, flag 0 (card 4.6)."""
    gone = {key for name in modalities for key in (name, f"{name}_flag")}
    return {key: np.zeros_like(array) if key in gone else array for key, array in batch.items()}


def distance_ratio(
    means: Mapping[str, NDArray[Any]], flags: Mapping[str, NDArray[Any]], generator: np.random.Generator
) -> float:
    """Mean squared distance of two modalities' expert means of the same moment over that of different moments.

    means: (N, D) each; flags: (N,). Moments count where both are present; the ratio is averaged over pairs of
    modalities. 1 tells of experts that know nothing of each other.
    """
    ratios = []
    for one, other in combinations(means, 2):
        present = flags[one] & flags[other]
        left, right = means[one][present], means[other][present]
        shuffled = generator.permutation(len(left))
        same, different = np.square(left - right).sum(-1).mean(), np.square(left - right[shuffled]).sum(-1).mean()
        ratios.append(same / different)
    return float(np.mean(ratios))
