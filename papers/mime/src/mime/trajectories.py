"""Pictures and films of trajectories: one colour per task, lines thin, what is rewarded marked. Source: card 6."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gym
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from mime.envs import DogNavigation2D, MetaPendulum, Navigation2D, Task
from mime.envs.dog import BOWL_RADIUS, CELLS_PER_UNIT
from mime.envs.dog_map import CELLS, blocked_cells
from mime.envs.navigation import GOAL_RADIUS
from mime.envs.pendulum import MAX_SPEED
from mime.rollout import Episodes
from mirl.film import Film, Frame, held
from mirl.sinks import TensorBoard

EXTENT = 10.0
"""Length units from the middle of navigation's picture to its border."""
GUIDE_RADIUS = 7.0
FRAMES = 50
"""Of a film, whatever the horizon."""
FRAMES_PER_SECOND = 12
SHOWN = 8
"""Episodes of each task in a film, at most: more hide one another."""


@dataclass(frozen=True)
class Scene:
    """How the trajectories of an environment are drawn."""

    points: Callable[[np.ndarray], np.ndarray]
    """Observations (time, ..., size) -> places in the picture (time, ..., 2)."""
    background: Callable[[Axes, Sequence[Task]], None]
    legend: str
    """What else is drawn, in a sentence."""


def scene_of(environment: gym.Env) -> Scene | None:
    """The scene of an environment; None where nothing can be drawn in a plane."""
    return next((scene for kind, scene in SCENES.items() if isinstance(environment.unwrapped, kind)), None)


def picture(scene: Scene, tasks: Sequence[Task], episodes: Episodes) -> np.ndarray:
    """All trajectories of a batch, 8 x 8 inches: uint8 (height, width, 3)."""
    figure = Figure(figsize=(8, 8))
    draw_trajectories(figure.subplots(), scene, tasks, episodes)
    return pixels(figure)


def draw_trajectories(axes: Axes, scene: Scene, tasks: Sequence[Task], episodes: Episodes) -> None:
    """The background of a scene and all trajectories on it."""
    scene.background(axes, tasks)
    for colour, observed in zip(colours(len(tasks)), episodes.observations.cpu().numpy(), strict=True):
        paths = list(scene.points(observed).swapaxes(0, 1))
        axes.add_collection(LineCollection(paths, colors=[colour], alpha=0.4, linewidths=1))


class Gallery:
    """Pictures of some training iterations for TensorBoard, with the iteration as x axis."""

    def __init__(self, folder: Path, scene: Scene | None, every: int, first_iteration: int) -> None:
        self.folder, self.scene, self.every = folder, scene, every
        self.first_iteration = first_iteration

    @cached_property
    def board(self) -> TensorBoard:
        """Opened at the first picture; hides what a killed attempt drew after its last checkpoint."""
        return TensorBoard(self.folder, self.first_iteration - 1 if self.first_iteration else None)

    def show(self, iteration: int, tasks: Sequence[Task], before: Episodes, after: Episodes) -> None:
        """Draw the trajectories before and after adaptation, where a picture is due."""
        if self.scene and self.every and iteration % self.every == 0:
            for tag, episodes in (("TrainTrajectories", before), ("ValidTrajectories", after)):
                self.board.image(iteration, tag, picture(self.scene, tasks, episodes))
            self.board.flush()


def film_trajectories(film: Film, scene: Scene, tasks: Sequence[Task], shown: Sequence[tuple[str, Episodes]]) -> None:
    """The points move and leave their trajectories, one panel per (title, episodes)."""
    figure = Figure(figsize=(4 * len(shown), 4.3), layout="constrained")
    panels = [
        Moving(axes, scene, tasks, title, episodes)
        for axes, (title, episodes) in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True)
    ]
    last = panels[0].steps - 1
    film.write(frames_of(figure, panels, [*range(0, last, -(-last // FRAMES)), last]), FRAMES_PER_SECOND)
    drawn = len(panels[0].paths) // len(tasks)
    returns = [f"{episodes.returns().mean():.2f} {title}" for title, episodes in shown]
    titles = ", ".join(title for title, _ in shown)
    film.tell(
        f"Trajectories of {len(tasks)} tasks, a colour and {drawn} episodes each: {titles}. {scene.legend}"
        f" Mean return {', '.join(returns)}.",
        f"Film of points that draw their trajectories, one panel each for: {titles}. {scene.legend}",
    )


def frames_of(figure: Figure, panels: Sequence[Moving], steps: Sequence[int]) -> Iterator[Frame]:
    """Every picture; the last one, with whole trajectories, stays for a while."""
    for step in steps:
        for panel in panels:
            panel.move(step)
        yield pixels(figure)
    yield from held(pixels(figure), 1.5, FRAMES_PER_SECOND)


class Moving:
    """Points that move over the background of a scene and leave lines behind."""

    def __init__(self, axes: Axes, scene: Scene, tasks: Sequence[Task], title: str, episodes: Episodes) -> None:
        scene.background(axes, tasks)
        axes.set_title(title)
        observations = episodes.observations.cpu().numpy()
        paths = np.stack([scene.points(observed[:, :SHOWN]) for observed in observations], axis=1)
        self.paths = paths.reshape(len(paths), -1, 2).swapaxes(0, 1)
        """(points, time, 2)."""
        each = np.repeat(colours(len(tasks)), paths.shape[2], axis=0)
        self.lines = LineCollection([], colors=each, alpha=0.35, linewidths=0.8)
        axes.add_collection(self.lines)
        self.points = axes.scatter(self.paths[:, 0, 0], self.paths[:, 0, 1], c=each, s=12, alpha=0.8, zorder=3)

    @property
    def steps(self) -> int:
        """Moments of an episode."""
        return self.paths.shape[1]

    def move(self, step: int) -> None:
        """Show the points where they are after `step` steps."""
        self.points.set_offsets(self.paths[:, step])
        self.lines.set_segments(list(self.paths[:, : step + 1]))


def navigation_background(axes: Axes, tasks: Sequence[Task]) -> None:
    """Goals as discs of the rewarded radius, and the dashed circle between the rings."""
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal")
    axes.add_patch(Circle((0, 0), GUIDE_RADIUS, fill=False, linestyle="--", color="grey"))
    draw_discs(axes, [task["goal"] for task in tasks], GOAL_RADIUS)


def dog_background(axes: Axes, tasks: Sequence[Task]) -> None:
    """The house in cells, walls dark, and the bowls as discs of the rewarded radius."""
    axes.imshow(blocked_cells(), origin="lower", cmap="Greys", vmax=1.5)
    axes.set(xlim=(-0.5, CELLS - 0.5), ylim=(-0.5, CELLS - 0.5))
    draw_discs(axes, [CELLS_PER_UNIT * task["goal"] for task in tasks], CELLS_PER_UNIT * BOWL_RADIUS)


def draw_discs(axes: Axes, centres: Sequence[np.ndarray], radius: float) -> None:
    """A disc in the colour of each task."""
    for centre, colour in zip(centres, colours(len(centres)), strict=True):
        axes.add_patch(Circle((float(centre[0]), float(centre[1])), radius, color=colour, alpha=0.5))


def pendulum_background(axes: Axes, tasks: Sequence[Task]) -> None:
    """State space: angle in turns, whole numbers upright, against speed."""
    axes.set(xlim=(-2.5, 2.5), ylim=(-1.05 * MAX_SPEED, 1.05 * MAX_SPEED), xlabel="turns", ylabel="rad/s")
    for turns in range(-2, 3):
        axes.axvline(turns, linestyle="--", color="grey")


def turns_and_speed(observed: np.ndarray) -> np.ndarray:
    """The pendulum's angle, followed beyond full turns, and its speed: (time, ..., 3) -> (time, ..., 2)."""
    angle = np.unwrap(np.arctan2(observed[..., 1], observed[..., 0]), axis=0)
    return np.stack([angle / (2 * np.pi), observed[..., 2]], axis=-1)


def first_two(observed: np.ndarray) -> np.ndarray:
    """x and y."""
    return observed[..., :2]


SCENES: dict[type[gym.Env], Scene] = {
    Navigation2D: Scene(first_two, navigation_background, "Discs: where a task is rewarded."),
    DogNavigation2D: Scene(
        lambda observed: CELLS_PER_UNIT * observed[..., :2], dog_background, "Dark: walls; discs: the bowls."
    ),
    MetaPendulum: Scene(turns_and_speed, pendulum_background, "Dashed: upright."),
}


def colours(number: int) -> np.ndarray:
    """`number` distinct colours, (number, 4)."""
    return colormaps["hsv"](np.arange(number) / number)


def pixels(figure: Figure) -> np.ndarray:
    """A figure as uint8 (height, width, 3)."""
    canvas: Any = FigureCanvasAgg(figure)  # untyped in matplotlib
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
