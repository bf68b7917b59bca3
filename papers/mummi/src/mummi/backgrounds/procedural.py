"""Natural-looking videos without any file: drifting noise with a 1/f spectrum, moving things, changing light.

A stand-in for the original's videos (card 4.5). Each frame is made when it is asked for, so a set of any size costs
nothing; the same video of the same split is the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mummi.streams import stream

SIZE = 64
PERIOD = 128
"""Pixels after which a texture repeats."""
BANDS = ((1, 3), (3, 8), (8, 18), (18, 40))
"""Waves per period of each field of noise."""
GRID = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij"), axis=-1) - (SIZE - 1) / 2
"""(64, 64, 2): row and column from the picture's middle."""

Array = NDArray[np.float32]


class ProceduralVideos:
    """A set of generated videos."""

    source = "procedural"
    sha256: str | None = None

    def __init__(self, split: str, videos: int, frames: int) -> None:
        """ValueError for a set without videos or frames."""
        for name, value in (("videos", videos), ("frames", frames)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.split, self.videos, self.frames = split, videos, frames

    def frame(self, video: int, number: int) -> NDArray[np.uint8]:
        """(64, 64, 3), red first."""
        return scene(self.split, video).frame(number)


@dataclass(frozen=True)
class Drift:
    """A texture that moves evenly."""

    texture: Array
    """(PERIOD + SIZE + 1, PERIOD + SIZE + 1, 3), periodic."""
    start: NDArray[np.float64]
    """Row and column at frame 0, pixels."""
    speed: NDArray[np.float64]
    """Pixels per frame."""

    def window(self, number: int) -> Array:
        """(64, 64, 3) of the texture at that frame, between pixels linearly."""
        place = (self.start + number * self.speed) % PERIOD
        row, column = (int(each) for each in place)
        down, right = (place - (row, column)).astype(np.float32)
        seen = self.texture[row : row + SIZE + 1, column : column + SIZE + 1]
        seen = seen[:-1] + down * (seen[1:] - seen[:-1])
        between: Array = seen[:, :-1] + right * (seen[:, 1:] - seen[:, :-1])
        return between


@dataclass(frozen=True)
class Thing:
    """A textured ellipse that wanders through the picture and hides what is behind it."""

    skin: Drift
    start: NDArray[np.float64]
    speed: NDArray[np.float64]
    axes: NDArray[np.float64]
    """(2, 2): a point is inside where its product with this is shorter than 1."""

    def paint(self, picture: Array, number: int) -> None:
        """Draw it into (64, 64, 3), with a soft edge."""
        reach = SIZE  # from one side to the other, then in again
        middle = (self.start + number * self.speed + reach) % (2 * reach) - reach
        distance = np.hypot(*np.moveaxis((GRID - middle) @ self.axes, -1, 0))
        cover = np.clip(4 * (1 - distance), 0, 1).astype(np.float32)[..., None]
        picture += cover * (self.skin.window(number) - picture)


@dataclass(frozen=True)
class Scene:
    """One video."""

    fields: tuple[Drift, ...]
    things: tuple[Thing, ...]
    mean: float
    """Pixel value."""
    contrast: float
    """Pixel values per unit of the fields' sum, such that a frame's deviation is 46 to 60 on average."""
    flicker: tuple[float, float, float]
    """Strength, waves per frame and phase of the light's change."""

    def frame(self, number: int) -> NDArray[np.uint8]:
        """(64, 64, 3), red first."""
        picture = sum_of(self.fields, number)
        for thing in self.things:
            thing.paint(picture, number)
        strength, waves, phase = self.flicker
        light = 1 + strength * np.sin(2 * np.pi * (waves * number + phase))
        pixels: NDArray[np.uint8] = np.clip(light * (self.mean + self.contrast * picture), 0, 255).astype(np.uint8)
        return pixels


def sum_of(fields: tuple[Drift, ...], number: int) -> Array:
    """(64, 64, 3): all fields at one frame."""
    picture: Array = fields[0].window(number)
    for field in fields[1:]:
        picture += field.window(number)
    return picture


@lru_cache(maxsize=32)
def scene(split: str, video: int) -> Scene:
    """The video of that number; the generator's key holds the split, so that no two sets share one."""
    chance = stream(video, f"procedural {split}")
    direction = chance.uniform(0, 2 * np.pi)
    pan = chance.uniform(0.5, 1.0) * np.array([np.sin(direction), np.cos(direction)])
    colours = mixing(chance)
    weights = np.array([1.0, 0.7, 0.45, 0.25]) * chance.uniform(0.7, 1.3, len(BANDS))
    weights /= np.linalg.norm(weights)
    fields = tuple(
        Drift(weight * texture(chance, band, colours), chance.uniform(0, PERIOD, 2), pan + chance.normal(0, 0.15, 2))
        for weight, band in zip(weights, BANDS, strict=True)
    )
    spread = np.mean([sum_of(fields, number).std() for number in range(0, 256, 32)])
    return Scene(
        fields=fields,
        things=tuple(thing(chance, pan) for _ in range(chance.integers(2, 6))),
        mean=chance.uniform(100, 150),
        contrast=chance.uniform(46, 60) / float(spread),
        flicker=(chance.uniform(0, 0.1), chance.uniform(1 / 400, 1 / 80), chance.uniform()),
    )


def thing(chance: np.random.Generator, pan: NDArray[np.float64]) -> Thing:
    """An ellipse of 6 to 20 pixels, its colour apart from what is behind it."""
    band = BANDS[int(chance.integers(1, len(BANDS)))]
    skin = np.float32(0.5) * texture(chance, band, mixing(chance)) + chance.normal(0, 1, 3).astype(np.float32)
    angle = chance.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    speed = chance.normal(0, 0.5, 2) - pan
    return Thing(
        skin=Drift(skin, chance.uniform(0, PERIOD, 2), -speed),
        start=chance.uniform(-SIZE, SIZE, 2),
        speed=speed,
        axes=turn / chance.uniform(6, 20, 2),
    )


def texture(chance: np.random.Generator, band: tuple[int, int], colours: Array) -> Array:
    """Periodic noise of unit deviation between two numbers of waves, amplitude 1/f, in three mixed colours."""
    waves = np.fft.fftfreq(PERIOD, 1 / PERIOD)
    radius = np.hypot(waves[:, None], waves[None, : PERIOD // 2 + 1])
    amplitude = np.where((radius >= band[0]) & (radius < band[1]), 1 / np.maximum(radius, 1), 0)
    noise = np.fft.rfft2(chance.normal(size=(3, PERIOD, PERIOD)))
    pattern = np.fft.irfft2(noise * amplitude, (PERIOD, PERIOD))
    pattern /= pattern.std(axis=(1, 2), keepdims=True)
    coloured: Array = np.moveaxis(pattern, 0, -1).astype(np.float32) @ colours
    return np.pad(coloured, ((0, SIZE + 1), (0, SIZE + 1), (0, 0)), mode="wrap")


def mixing(chance: np.random.Generator) -> Array:
    """(3, 3): brightness that the colours share, and a little of their own; each colour has unit deviation."""
    matrix = np.diag(chance.uniform(0.2, 0.6, 3))
    matrix[0] += chance.uniform(0.6, 1.2, 3)
    mixed: Array = (matrix / np.linalg.norm(matrix, axis=0)).astype(np.float32)
    return mixed
