"""Slow twins of pictures: rays through a Bullet world, and a rotation pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from mi_asym.envs.images import OFFSETS, SIZE


def ray_heights(client: Any, middle: np.ndarray) -> np.ndarray:
    """Where rays from above meet the world's collision shapes: heights, float64 (84, 84), metres."""
    x, y = np.meshgrid(OFFSETS + middle[0], OFFSETS + middle[1], indexing="ij")
    above = np.stack((x.ravel(), y.ravel(), np.full(SIZE * SIZE, 0.5)), 1)
    below = above - (0.0, 0.0, 1.0)
    hits = client.rayTestBatch(above.tolist(), below.tolist())
    return np.array([0.5 - hit[2] for hit in hits]).reshape(SIZE, SIZE)


def rotate_image(image: np.ndarray, angle: float) -> np.ndarray:
    """One channel, (84, 84), rotated about (42, 42): bilinear, clamped at the edges."""
    turned = np.zeros_like(image, dtype=np.float64)
    for row in range(SIZE):
        for column in range(SIZE):
            at = np.array([row - 42.0, column - 42.0])
            source = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ at + 42.0
            source = np.clip(source, 0, SIZE - 1)
            low = np.minimum(source.astype(int), SIZE - 2)
            part = source - low
            corners = image[low[0] : low[0] + 2, low[1] : low[1] + 2]
            turned[row, column] = (1 - part[0], part[0]) @ corners @ (1 - part[1], part[1])
    return turned
