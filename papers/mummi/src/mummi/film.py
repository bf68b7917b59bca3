"""Pictures of evaluation episodes, and of what a dreamer predicts once it no longer sees (card 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mirl.film import Film, Frame, captioned
from mirl.run import Run
from mummi.agent import Agent
from mummi.inputs import FAR_M, network_inputs
from mummi.noise import graph_seed, normal
from mummi.play import Played
from mummi.rssm import Latent
from mummi.settings import RATIOS

SEQUENCES, CONTEXT = 6, 5
"""Sequences that are predicted, and the steps of each that are shown to the model before (card 6)."""
FRAMES_PER_SECOND, MAGNIFICATION, BAND, SHOWN = 10, 3, 20, 10
FILMED = 50
"""Agent steps of an episode in a film."""
Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]


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


def film_episodes(film: Film, task: str, agent: Agent, episodes: Mapping[str, Played]) -> None:
    """The first moments of an episode in each setting, one after another; under a dreamer's view what it predicts."""
    film.write((frame for one in episodes.items() for frame in frames_of_episode(agent, *one)), FRAMES_PER_SECOND)
    returns = ", ".join(f"{one.total:.0f} ({setting})" for setting, one in episodes.items())
    foreseen = (
        f" Below: what the model predicts from the actions alone, after {CONTEXT} moments that it saw, and how far it"
        " is off."
        if predicts(agent)
        else ""
    )
    gaps = ", where a share of the pictures may go missing" if any(RATIOS[setting] for setting in episodes) else ""
    background = " before a moving background" if agent.config.natural else ""
    film.tell(
        f"The first {FILMED} agent steps on {task} as the agent sees them, image and depth{gaps}.{foreseen} Returns of"
        f" the whole episodes: {returns}.",
        f"Film of the robot of {task}{background}, in colour and as depth"
        f"{', above a prediction of the image' if foreseen else ''}.",
    )


def frames_of_episode(agent: Agent, setting: str, episode: Played) -> Iterator[Frame]:
    """The view, under a dreamer's its prediction and the error, with a line of text."""
    pictures, since = frames_of(episode.entries)[: FILMED + 1], None
    if predicts(agent):
        foreseen, since = continued_predictions(agent, episode.entries, len(pictures))
        pictures = np.concatenate([pictures[: len(foreseen)], foreseen], 1)
    for step, picture in enumerate(pictures):
        columns = "image, depth" + ("" if since is None else "; predicted, error" if since[step] else "; seen, error")
        large = picture.repeat(MAGNIFICATION, 0).repeat(MAGNIFICATION, 1)
        yield captioned(large, f"{setting.replace('_', ' ')}, step {step}: {columns}", BAND)


def continued_predictions(
    agent: Agent, entries: Mapping[str, NDArray[Any]], length: int
) -> tuple[Pictures, NDArray[np.bool_]]:
    """Stretch after stretch of an episode, predicted from its first five moments: prediction and error side by side
    (T, 64, 128, 3), and which of the moments the model did not see, (T,); T is at most `length`."""
    stretch = min(agent.config.batch_length, len(entries["reward"]) - 1)
    starts = np.arange(max(1, min(length, len(entries["reward"])) // stretch)) * stretch
    truth, decoded = foreseen(agent, sequences(entries, agent.learnt, stretch, starts))
    pictures = as_pictures(np.concatenate([decoded, error(truth, decoded)], 3))
    return pictures.reshape(-1, *pictures.shape[2:]), np.tile(np.arange(stretch) >= CONTEXT, len(starts))


def predictions(agent: Agent, entries: Mapping[str, NDArray[Any]]) -> Pictures:
    """Truth, model and error, one above the other, six sequences side by side: (L, 192, 384, 3).

    The model sees the first five moments of each sequence and only the actions after them.
    """
    length = min(agent.config.batch_length, len(entries["reward"]) - 1)
    starts = np.linspace(0, len(entries["reward"]) - length, SEQUENCES).astype(int)
    truth, decoded = foreseen(agent, sequences(entries, agent.learnt, length, starts))
    pictures = as_pictures(np.concatenate([truth, decoded, error(truth, decoded)], 2))
    return np.concatenate(list(pictures), 2)


def foreseen(agent: Agent, batch: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats]:
    """Images of sequences (N, L, 64, 64, 3) in [0, 1] as they were, and as the model has them that sees the first five
    moments of each and only the actions after them."""
    model, config = agent.model, agent.config
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
    return batch["image"].astype(np.float32) / 255, decoded


def error(truth: Floats, decoded: Floats) -> Floats:
    """Grey where both agree."""
    return (decoded - truth + 1) / 2


def as_pictures(values: Floats) -> Pictures:
    return (255 * np.clip(values, 0, 1)).astype(np.uint8)


def sequences(
    entries: Mapping[str, NDArray[Any]], keys: Sequence[str], length: int, starts: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Sequences of an episode that begin at `starts`: key -> (N, length, ...)."""
    return {key: np.stack([entries[key][start : start + length] for start in starts]) for key in keys}
