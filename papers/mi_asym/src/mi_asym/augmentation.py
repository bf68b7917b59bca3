"""Rotated copies of robot episodes: the tasks look the same from every side of the gripper (card 4.5).

Rows of an image run along x and columns along y, so that turning the image by an angle turns the workspace by it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def rotate_images(images: Tensor, angles: Tensor) -> Tensor:
    """Rotate each image (all channels alike) about its pixel (size / 2, size / 2), which is (42, 42).

    images: (batch, channels, size, size), any float dtype; angles: (batch,), radians. A point at (row, column) from
    the centre goes to (cos row - sin column, sin row + cos column); between pixels the value is bilinear, and outside
    the image it is that of the nearest edge. Source: card 4.5.
    """
    size, middle = images.shape[-1], images.shape[-1] / 2
    offset = torch.arange(size, device=images.device, dtype=torch.float32) - middle
    row, column = offset[:, None], offset[None, :]
    cosine, sine = angles.float().cos()[:, None, None], angles.float().sin()[:, None, None]
    from_row = cosine * row + sine * column + middle
    from_column = -sine * row + cosine * column + middle
    grid = torch.stack((from_column, from_row), -1) * (2 / (size - 1)) - 1  # grid_sample counts from -1 to 1, x first
    turned = grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return turned.to(images.dtype)


def rotate_actions(actions: Tensor, angles: Tensor) -> Tensor:
    """Rotate (dx, dy) of each action as `rotate_images` does the picture, and clip it to [-1, 1].

    actions: (batch, ..., 5), whose (dx, dy) are at 1 and 2, or (batch, ..., 4) with them at 0 and 1; angles: (batch,).
    """
    first = actions.shape[-1] - 4
    shape = (-1, *[1] * (actions.dim() - 2))
    cosine, sine = angles.to(actions.dtype).cos().view(shape), angles.to(actions.dtype).sin().view(shape)
    dx, dy = actions[..., first], actions[..., first + 1]
    turned = actions.clone()
    turned[..., first] = (cosine * dx - sine * dy).clamp(-1.0, 1.0)
    turned[..., first + 1] = (sine * dx + cosine * dy).clamp(-1.0, 1.0)
    return turned
