"""A film of an episode: the cart and its pole, seen from the side."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from mirl.film import Film, Frame, captioned, held
from newpaper.envs.cartpole import HALF_LENGTH, POSITION_LIMIT, STEP_S, Array
from newpaper.rollout import Episodes

WIDTH, HEIGHT, GROUND = 480, 240, 190
"""Of a picture, and where the track lies in it; pixels from its top."""
PER_METRE = WIDTH / (2 * POSITION_LIMIT)
FRAMES_PER_S = 1 / STEP_S
"""As fast as it was."""


def film_episode(film: Film, episodes: Episodes, greedy: bool) -> None:
    """The first of some test episodes, and in words what is seen."""
    steps, survived = int(episodes.lengths()[0]), bool(episodes.survived()[0])
    film.write(frames_of(episodes.observations[:steps, 0].numpy()), FRAMES_PER_S)
    ended = "is upright at the end" if survived else "falls, or the cart leaves the track"
    actions = "the likeliest ones" if greedy else "drawn from the policy"
    film.tell(
        f"A test episode of cartpole, actions {actions}: the pole {ended} after {steps} of {episodes.horizon} steps.",
        f"Film of a black cart on a line that moves left and right under a brown pole; the pole {ended}.",
    )


def frames_of(states: Array) -> Iterator[Frame]:
    """States (time, 4) from the first picture to the last one, which stays for a while."""
    frame = captioned(picture(states[0]), "step 0")
    for step, state in enumerate(states):
        frame = captioned(picture(state), f"step {step}")
        yield frame
    yield from held(frame, 1.5, FRAMES_PER_S)


def picture(state: Array) -> Frame:
    """The cart and its pole in a state, (4,): (height, width, 3)."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    x, angle = WIDTH / 2 + state[0] * PER_METRE, float(state[2])
    reach = 2 * HALF_LENGTH * PER_METRE
    draw.line([(0, GROUND), (WIDTH, GROUND)], fill="grey", width=2)
    draw.rectangle([x - 25, GROUND - 20, x + 25, GROUND], fill="black")
    tip = x + reach * math.sin(angle), GROUND - 20 - reach * math.cos(angle)
    draw.line([(x, GROUND - 20), tip], fill="chocolate", width=8)
    return np.asarray(image)
