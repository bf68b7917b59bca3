"""Pictures and films of navigation: one colour per task, trajectories thin, the rewarded disc around each goal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from mime.envs.navigation import GOAL_RADIUS, Task
from mime.rollout import Episodes
from mirl.sinks import TensorBoard

EXTENT = 10.0
"""Length units from the middle of a picture to its border."""
GUIDE_RADIUS = 7.0
FRAMES_PER_SECOND = 12


def picture(goals: np.ndarray, episodes: Episodes) -> np.ndarray:
    """All trajectories of a batch, 8 x 8 inches: uint8 (height, width, 3). goals: (tasks, 2). Source: card 6."""
    figure = Figure(figsize=(8, 8))
    axes = figure.subplots()
    draw_goals(axes, goals)
    paths = episodes.observations.cpu().numpy()
    for task, colour in enumerate(colours(len(goals))):
        axes.add_collection(LineCollection(list(paths[task].swapaxes(0, 1)), colors=[colour], alpha=0.4, linewidths=1))
    return pixels(figure)


class Gallery:
    """Pictures of some training iterations for TensorBoard, with the iteration as x axis (card 6)."""

    def __init__(self, folder: Path, every: int, first_iteration: int) -> None:
        self.folder, self.every = folder, every
        self.first_iteration = first_iteration

    @cached_property
    def board(self) -> TensorBoard:
        """Opened at the first picture; hides what a killed attempt drew after its last checkpoint."""
        return TensorBoard(self.folder, self.first_iteration - 1 if self.first_iteration else None)

    def show(self, iteration: int, tasks: Sequence[Task], before: Episodes, after: Episodes) -> None:
        """Draw the trajectories before and after adaptation, where a picture is due."""
        if self.every and iteration % self.every == 0:
            goals = np.stack([task["goal"] for task in tasks])
            for tag, episodes in (("TrainTrajectories", before), ("ValidTrajectories", after)):
                self.board.image(iteration, tag, picture(goals, episodes))
            self.board.flush()


def film(path: Path, goals: np.ndarray, shown: Sequence[tuple[str, Episodes]], stride: int) -> None:
    """Write an mp4 in which the points move, one panel per (title, episodes); every `stride`-th step is a frame."""
    import imageio.v2

    figure = Figure(figsize=(5 * len(shown), 5.3))
    panels = np.atleast_1d(figure.subplots(1, len(shown)))
    episodes_shown = [episodes.observations.cpu().numpy() for _, episodes in shown]
    points = []
    for axes, (title, _), positions in zip(panels, shown, episodes_shown, strict=True):
        draw_goals(axes, goals)
        axes.set_title(title)
        each = np.repeat(colours(len(goals)), positions.shape[2], axis=0)
        points.append(axes.scatter(*positions[:, 0].reshape(-1, 2).T, c=each, s=12, alpha=0.7))
    open_writer: Any = imageio.v2.get_writer
    with open_writer(path, fps=FRAMES_PER_SECOND, macro_block_size=2) as writer:
        for step in range(0, episodes_shown[0].shape[1], stride):
            for dots, positions in zip(points, episodes_shown, strict=True):
                dots.set_offsets(positions[:, step].reshape(-1, 2))
            writer.append_data(pixels(figure))


def draw_goals(axes: Axes, goals: np.ndarray) -> None:
    """Goals as discs of the rewarded radius, and the dashed circle between the rings."""
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal")
    axes.add_patch(Circle((0, 0), GUIDE_RADIUS, fill=False, linestyle="--", color="grey"))
    for goal, colour in zip(goals, colours(len(goals)), strict=True):
        axes.add_patch(Circle((float(goal[0]), float(goal[1])), GOAL_RADIUS, color=colour, alpha=0.5))


def colours(number: int) -> np.ndarray:
    """`number` distinct colours, (number, 4)."""
    return colormaps["hsv"](np.arange(number) / number)


def pixels(figure: Figure) -> np.ndarray:
    """A figure as uint8 (height, width, 3)."""
    canvas: Any = FigureCanvasAgg(figure)  # untyped in matplotlib
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
