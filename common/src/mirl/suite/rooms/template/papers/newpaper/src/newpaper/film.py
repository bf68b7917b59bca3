"""A film of an episode."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw

from newpaper.envs.cartpole import HALF_LENGTH, POSITION_LIMIT, STEP_S, Array
from newpaper.rollout import Episodes

WIDTH, HEIGHT, GROUND = 480, 240, 190
"""Of a picture, and where the track lies in it; pixels from its top."""
PER_METRE = WIDTH / (2 * POSITION_LIMIT)


def film(path: Path, episodes: Episodes) -> None:
    """An mp4 of the first episode, as fast as it was."""
    writer: Any = imageio.get_writer(path, format="FFMPEG", fps=round(1 / STEP_S), macro_block_size=2)
    with writer:
        for state in episodes.observations[: int(episodes.lengths()[0]), 0].numpy():
            writer.append_data(picture(state))


def picture(state: Array) -> Array:
    """The cart and its pole in a state, (4,), seen from the side: (height, width, 3) uint8."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    x, angle = WIDTH / 2 + state[0] * PER_METRE, float(state[2])
    reach = 2 * HALF_LENGTH * PER_METRE
    draw.line([(0, GROUND), (WIDTH, GROUND)], fill="grey", width=2)
    draw.rectangle([x - 25, GROUND - 20, x + 25, GROUND], fill="black")
    tip = x + reach * math.sin(angle), GROUND - 20 - reach * math.cos(angle)
    draw.line([(x, GROUND - 20), tip], fill="chocolate", width=8)
    return np.asarray(image)
