"""Pictures of evaluation episodes, and of what a dreamer predicts once it no longer sees (card 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mirl.run import Run
from mummi.agent import Agent
from mummi.inputs import FAR_M, network_inputs
from mummi.noise import graph_seed, normal
from mummi.play import Played
from mummi.rssm import Latent

SEQUENCES, CONTEXT = 6, 5
"""Sequences that are predicted, and the steps of each that are shown to the model before (card 6)."""
FRAMES_PER_SECOND, MAGNIFICATION, SHOWN = 25, 4, 10
Pictures = NDArray[np.uint8]


def log_pictures(run: Run, env_step: int, agent: Agent, episode: Played) -> None:
    """An evaluation episode as a strip of moments, and a dreamer's predictions likewise, into TensorBoard."""
    run.log_image(env_step, "eval/episode", strip(frames_of(episode.entries)))
    if predicts(agent):
        run.log_image(env_step, "eval/predictions", strip(predictions(agent, episode.entries)))


def predicts(agent: Agent) -> bool:
    """Whether there is an image decoder that learns: without, its pictures would be noise (card 6)."""
    decoders = getattr(agent.model, "decoders", {})
    learns = {id(variable) for variable in agent.model_adam.moved}
    return "image" in decoders and id(decoders["image"].variables[0]) in learns


def strip(frames: Pictures) -> Pictures:
    """(T, H, W, 3) -> (H, moments W, 3): evenly spaced moments side by side."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).astype(int)]
    return np.concatenate(list(chosen), 1)


def frames_of(entries: Mapping[str, NDArray[Any]]) -> Pictures:
    """Image and depth of every moment of an episode, side by side, as the agent got them: (T, 64, 128, 3)."""
    depth = np.clip(entries["depth"].astype(np.float32) / FAR_M * 4, 0, 1)  # the scene lies within 50 m
    grey = np.repeat((255 * depth).astype(np.uint8), 3, -1)
    return np.concatenate([entries["image"], grey], 2)


def film_episode(path: Path, episodes: Sequence[Played]) -> None:
    """An mp4 of episodes one after another."""
    write_video(path, np.concatenate([frames_of(episode.entries) for episode in episodes]))


def film_predictions(path: Path, agent: Agent, episode: Played) -> None:
    """An mp4 of predictions, see `predictions`."""
    write_video(path, predictions(agent, episode.entries))


def predictions(agent: Agent, entries: Mapping[str, NDArray[Any]]) -> Pictures:
    """Truth, model and error, one above the other, six sequences side by side: (L, 192, 384, 3).

    The model sees the first five moments of each sequence and only the actions after them.
    """
    model, config = agent.model, agent.config
    batch = sequences(entries, agent.learnt, min(config.batch_length, len(entries["reward"]) - 1))
    actions = tf.cast(batch["action"], tf.float32)
    length = actions.shape[1]
    noise = normal(tf.constant(graph_seed(agent.seed, "film", 0)), 0, (length, 1, config.stoch_size))
    seen = {name: array[:, :CONTEXT] for name, array in batch.items()}
    embedding = model.embed(network_inputs(seen, config))
    posts, _ = model.observe(embedding, actions[:, :CONTEXT], noise[:CONTEXT])
    latent = Latent(*(part[-1] for part in posts))
    features = list(tf.unstack(posts.feature))
    for time in range(CONTEXT, length):
        latent = model.rssm.prior_step(latent, actions[:, time], noise[time])
        features.append(latent.feature)
    decoders: Any = getattr(model, "decoders")  # noqa: B009 - the other methods have none
    decoded = decoders["image"](tf.stack(features, 1)).numpy() + 0.5
    truth = batch["image"].astype(np.float32) / 255
    rows = np.concatenate([truth, decoded, (decoded - truth + 1) / 2], 2)
    pictures = (255 * np.clip(rows, 0, 1)).astype(np.uint8)
    return np.concatenate(list(pictures), 2)


def sequences(entries: Mapping[str, NDArray[Any]], keys: Sequence[str], length: int) -> dict[str, NDArray[Any]]:
    """Six evenly spaced sequences of an episode: key -> (6, length, ...)."""
    starts = np.linspace(0, len(entries["reward"]) - length, SEQUENCES).astype(int)
    return {key: np.stack([entries[key][start : start + length] for start in starts]) for key in keys}


def write_video(path: Path, frames: Pictures) -> None:
    """Frames (T, H, W, 3) as an mp4, magnified so that pixels can be seen."""
    import imageio.v2

    open_writer: Any = imageio.v2.get_writer
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(path, fps=FRAMES_PER_SECOND, macro_block_size=2) as writer:
        for frame in frames:
            writer.append_data(frame.repeat(MAGNIFICATION, 0).repeat(MAGNIFICATION, 1))
