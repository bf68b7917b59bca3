"""Pictures: what is drawn where, for which environments, and that training and testing write them."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tensorboardX.proto.event_pb2 import Event

from mime.envs import make
from mime.envs.dog_map import blocked_cells
from mime.rollout import Episodes
from mime.trajectories import Gallery, colours, draw_trajectories, film_trajectories, picture, scene_of
from mirl.film import Film

PLANAR = ["2DNavigationSparse-v0", "2DNavigationSparseLong-v0", "DogNavigation2D-v0", "MetaPendulum-v0"]


def case(name: str, horizon: int = 12, episodes: int = 3):
    env = make(name, 0).unwrapped
    tasks = env.sample_tasks(3)
    size = env.observation_space.shape[0]
    observations = torch.rand(len(tasks), horizon, episodes, size, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(len(tasks), horizon, episodes)
    return scene_of(env), tasks, Episodes(observations, zeros[..., None], zeros, zeros)


def images_in(folder: Path) -> list[tuple[int, str]]:
    """(step, tag) of every image in the event files of a folder."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            length = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + length])
            found += [(event.step, value.tag) for value in event.summary.value if value.HasField("image")]
            at += 12 + length + 4
    return found


@pytest.mark.parametrize("name", PLANAR)
def test_every_planar_environment_has_a_picture_of_eight_by_eight_inches(name: str):
    image = picture(*case(name))
    assert image.shape == (800, 800, 3)
    assert image.dtype == np.uint8
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10


def test_the_wrapped_environment_has_the_same_scene():
    env = make("DogNavigation2D-v0", 0)
    assert scene_of(env) is scene_of(env.unwrapped) is not None


def test_each_task_has_a_colour_and_each_trajectory_a_thin_line():
    scene, tasks, episodes = case("DogNavigation2D-v0")
    axes = Figure().subplots()
    draw_trajectories(axes, scene, tasks, episodes)
    assert len(axes.collections) == 3
    for collection, colour in zip(axes.collections, colours(3), strict=True):
        assert len(collection.get_segments()) == 3
        assert collection.get_alpha() == 0.4
        np.testing.assert_allclose(collection.get_colors()[0][:3], colour[:3])


def test_the_dogs_picture_is_the_map_in_cells_with_discs_of_five():
    scene, tasks, episodes = case("DogNavigation2D-v0")
    axes = Figure().subplots()
    draw_trajectories(axes, scene, tasks, episodes)
    np.testing.assert_array_equal(axes.images[0].get_array(), blocked_cells())
    assert axes.images[0].origin == "lower"
    assert [(disc.center, disc.radius) for disc in axes.patches] == [((20, 90), 5), ((53, 40), 5), ((85, 13), 5)]
    drawn = axes.collections[0].get_segments()[1]
    np.testing.assert_allclose(drawn, 10 * episodes.observations[0, :, 1, :2], rtol=1e-6)


def test_navigations_picture_has_the_rewarded_discs_and_the_dashed_circle():
    scene, tasks, episodes = case("2DNavigationSparse-v0")
    axes = Figure().subplots()
    draw_trajectories(axes, scene, tasks, episodes)
    guide, *discs = axes.patches
    assert (guide.radius, guide.get_linestyle(), axes.get_xlim(), axes.get_ylim()) == (7, "--", (-10, 10), (-10, 10))
    assert [disc.radius for disc in discs] == [1, 1, 1]
    np.testing.assert_allclose([disc.center for disc in discs], [task["goal"] for task in tasks])


def test_the_pendulums_picture_follows_the_angle_beyond_full_turns():
    scene, *_ = case("MetaPendulum-v0")
    assert scene is not None
    angles = np.linspace(3.0, 3.0 + 4 * np.pi, 40)
    observed = np.stack([np.cos(angles), np.sin(angles), np.full(40, 7.0)], axis=-1)[:, None]
    points = scene.points(observed)[:, 0]
    np.testing.assert_allclose(points[:, 0], angles / (2 * np.pi), atol=1e-9)
    assert set(points[:, 1]) == {7.0}


@pytest.mark.parametrize("name", PLANAR[1:])
def test_a_film_of_any_planar_environment_is_written(name: str, tmp_path: Path):
    scene, tasks, episodes = case(name)
    assert scene is not None
    film = Film(tmp_path / "film.webm")
    film_trajectories(film, scene, tasks, [("before", episodes), ("after", episodes)])
    frames = list(imageio_ffmpeg.read_frames(film.path))[1:]
    assert (len(frames), film.last.shape) == (12 + 18, (430, 800, 3))
    assert frames[0] != frames[-1]
    assert "3 tasks, a colour and 3 episodes each: before, after." in film.texts["caption"]


def test_a_gallery_draws_each_due_iteration_before_and_after_adaptation(tmp_path: Path):
    scene, tasks, episodes = case("DogNavigation2D-v0")
    gallery = Gallery(tmp_path, scene, every=2, first_iteration=0)
    for iteration in range(4):
        gallery.show(iteration, tasks, episodes, episodes)
    assert images_in(tmp_path) == [(step, tag) for step in (0, 2) for tag in ("TrainTrajectories", "ValidTrajectories")]


@pytest.mark.parametrize(("planar", "every"), [(True, 0), (False, 1)])
def test_a_gallery_without_scene_or_period_writes_nothing(tmp_path: Path, planar: bool, every: int):
    scene, tasks, episodes = case("DogNavigation2D-v0")
    Gallery(tmp_path / "pictures", scene if planar else None, every, 0).show(0, tasks, episodes, episodes)
    assert not (tmp_path / "pictures").exists()
