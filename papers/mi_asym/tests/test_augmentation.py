"""Rotated copies: against a pixel-by-pixel twin, and against a scene that is really turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain.images import rotate_image

from mi_asym.augmentation import rotate_actions, rotate_images
from mi_asym.envs.images import Box, heights


def about_z(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


@pytest.mark.parametrize("angle", [0.3, 2.0, 5.5])
def test_rotated_images_equal_the_pixel_by_pixel_twin(angle: float):
    images = torch.rand(2, 2, 84, 84, generator=torch.Generator().manual_seed(0))
    turned = rotate_images(images, torch.tensor([angle, 1.0]))
    for channel in range(2):
        expected = rotate_image(images[0, channel].double().numpy(), angle)
        np.testing.assert_allclose(turned[0, channel].numpy(), expected, atol=2e-4)


def test_no_rotation_changes_nothing_and_a_quarter_turn_moves_pixels_exactly():
    images = torch.rand(1, 1, 84, 84, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotate_images(images, torch.zeros(1)), images, rtol=0, atol=1e-4)
    quarter = rotate_images(images, torch.tensor([np.pi / 2]))[0, 0]
    for row, column in ((10, 20), (50, 3), (42, 42)):  # (r, c) goes to (-c, r) about the centre
        torch.testing.assert_close(
            quarter[84 - column, row] if column else quarter[83, row], images[0, 0, row, column], rtol=0, atol=1e-3
        )


def test_a_turned_picture_is_the_picture_of_a_turned_scene():
    angle, box = 0.7, Box(np.array([0.05, 0.08, 0.02]), about_z(0.2), np.array([0.04, 0.02, 0.02]))
    turned_box = Box(about_z(angle) @ box.centre, about_z(angle) @ box.rotation, box.half_extents)
    picture = torch.from_numpy(heights([box], np.zeros(2)))[None, None]
    turned = rotate_images(picture, torch.tensor([angle]))[0, 0].numpy()
    expected = heights([turned_box], np.zeros(2))
    assert (expected > 0).sum() > 100
    assert (np.abs(turned - expected) > 0.02).sum() < 0.1 * (expected > 0).sum()  # the outline is blurred by a pixel


def test_float16_pictures_stay_float16():
    assert rotate_images(torch.ones(1, 2, 84, 84, dtype=torch.float16), torch.ones(1)).dtype == torch.float16


def test_actions_turn_with_the_picture_and_are_clipped():
    actions = torch.tensor([[[0.5, 0.6, 0.0, -0.2, 0.9], [0.1, 1.0, 1.0, 0.0, 0.0]]])
    turned = rotate_actions(actions, torch.tensor([np.pi / 4]))
    half = 0.5**0.5
    expected = torch.tensor([[[0.5, 0.6 * half, 0.6 * half, -0.2, 0.9], [0.1, 0.0, 1.0, 0.0, 0.0]]])
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-6)


def test_four_dimensional_actions_begin_with_the_move():
    turned = rotate_actions(torch.tensor([[1.0, 0.0, 0.3, 0.4]]), torch.tensor([np.pi / 2]))
    torch.testing.assert_close(turned, torch.tensor([[0.0, 1.0, 0.3, 0.4]]), rtol=0, atol=1e-6)
