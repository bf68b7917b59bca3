"""Pictures of what was learnt: contexts in two dimensions, heat maps of Panda's grid, films (card 2, E7 and E8)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirl.config import ConfigError
from mirl.film import Film, Frame, captioned, held
from sami.envs.episodes import Episode
from sami.protocol import TestEpisode
from sami.rollout import Player

SEED = 42
"""random_state of the original's t-SNE (card 6)."""
FRAMES_PER_SECOND = 10
MOST_FRAMES, MOST_FRAMES_OF_SEVERAL = 200, 35
"""Of a film of one setting, which shows whole episodes, and of one of several."""
FILMED = 70
"""Steps of each episode in a film of several settings: it is as fast as the robots, and small."""
PANELS, PANELS_OF_SEVERAL = 4, 3
"""Environments side by side in a film of one setting, and of each of several."""
PANEL_SIZE, BAND = (240, 180), 20


def draw_contexts(
    folder: Path, setting: str, tuples: Sequence[Any], results: Sequence[TestEpisode], projections: Sequence[str]
) -> None:
    """contexts_<setting>_<projection>.png: the final context of every episode, coloured by test tuple."""
    from matplotlib.figure import Figure

    contexts = np.array([one.final_embedding for one in results])
    numbers = np.array([one.tuple_number for one in results])
    folder.mkdir(exist_ok=True)
    for projection in projections:
        points = project(contexts, projection)
        if points is None:
            print(f"no {projection} picture of {setting}: it needs more than {len(contexts)} episodes")
            continue
        figure = Figure(figsize=(7, 5))
        axes = figure.subplots()
        for number, label in enumerate(tuples):
            chosen = points[numbers == number]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=14, label=str(label))
        axes.set(title=f"{projection} of contexts, {setting}", xticks=[], yticks=[])
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(folder / f"contexts_{setting}_{projection}.png", dpi=150, bbox_inches="tight")


def project(contexts: np.ndarray, projection: str) -> np.ndarray | None:
    """(episodes, context) -> (episodes, 2); None where there are too few episodes. umap: see `require_umap`."""
    if len(contexts) < 4:
        return None
    if projection == "pca":
        from sklearn.decomposition import PCA

        return np.asarray(PCA(2, random_state=SEED).fit_transform(contexts))
    if projection == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(contexts) - 1) / 3)
        return np.asarray(TSNE(2, perplexity=perplexity, random_state=SEED).fit_transform(contexts))
    import umap  # optional

    neighbours = min(15, len(contexts) - 1)
    return np.asarray(umap.UMAP(n_neighbors=neighbours, init="random", random_state=SEED).fit_transform(contexts))


def require_umap() -> None:
    """Raises ConfigError that names the package where umap-learn is not installed: it is not part of the lock."""
    if importlib.util.find_spec("umap") is None:
        raise ConfigError(
            "--projections umap needs the package umap-learn, which is not installed here; pip install umap-learn"
        )


def draw_heat_maps(
    folder: Path, frictions: Sequence[float], masses: Sequence[float], tables: Mapping[str, np.ndarray]
) -> None:
    """heat_map_<name>.png: probability by friction (rows) and mass (columns), as in the paper's Figure 6."""
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        figure = Figure(figsize=(4, 4))
        axes = figure.subplots()
        axes.imshow(table, vmin=0, vmax=1, cmap="viridis")
        for (row, column), value in np.ndenumerate(table):
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value < 0.6 else "black")
        axes.set(title=name.replace("_", " "), xlabel="cube mass", ylabel="table friction")
        axes.set_xticks(range(len(masses)), [f"{mass:g}" for mass in masses])
        axes.set_yticks(range(len(frictions)), [f"{friction:g}" for friction in frictions])
        figure.savefig(folder / f"heat_map_{name}.png", dpi=150, bbox_inches="tight")


def film_slots(film: Film, player: Player, rows: Sequence[tuple[str, int]]) -> list[Episode]:
    """Play an episode in each of the environments and film it, of several settings the first steps; the ones that end
    early keep their last picture.

    `rows`: for each row of the film the setting it shows and how many of the slots, in order. Returns the episodes in
    the order of the slots.
    """
    ended: dict[int, Episode] = {}
    film.write(frames_of(player, rows, ended), FRAMES_PER_SECOND)
    return [ended[slot] for slot in sorted(ended)]


def frames_of(player: Player, rows: Sequence[tuple[str, int]], ended: dict[int, Episode]) -> Iterator[Frame]:
    """Every picture of `film_slots`; notes the episodes that ended."""
    names = [name for name, number in rows for _ in range(number)]
    most, shown = (MOST_FRAMES, player.slots.horizon) if len(rows) == 1 else (MOST_FRAMES_OF_SEVERAL, FILMED)
    shown = min(shown, player.slots.horizon)
    stride = -(-shown // most)
    pictures: dict[int, Frame] = {}
    for step in range(player.slots.horizon):
        if step < shown and step % stride == 0:
            playing = [slot for slot in range(len(names)) if slot not in ended]
            pictures |= {slot: frame(player, slot, names[slot]) for slot in playing}
            yield arranged(list(pictures.values()), [number for _, number in rows])
        with torch.no_grad():
            played = player.step(player.agent.actor.best_action(player.features)).played
        ended |= {one.slot: one for one in played.finished if one.slot not in ended}
        if len(ended) == len(names):
            break
    yield from held(arranged(list(pictures.values()), [number for _, number in rows]), 1.0, FRAMES_PER_SECOND)


def arranged(pictures: Sequence[Frame], counts: Sequence[int]) -> Frame:
    """Pictures in rows of so many each, white where a row is shorter than the longest."""
    white, waiting = np.full_like(pictures[0], 255), iter(pictures)
    rows = [[next(waiting) for _ in range(count)] + [white] * (max(counts) - count) for count in counts]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def frame(player: Player, slot: int, setting: str) -> Frame:
    """One environment as uint8 (height, width, 3), with its setting and what was drawn in a band under it."""
    width, height = PANEL_SIZE
    picture = player.slots.render(slot, width=width, height=height)
    return captioned(picture, ": ".join(filter(None, (setting, label_of(player.slots.context(slot))))), BAND)


def label_of(context: Mapping[str, Any]) -> str:
    """What was drawn for an episode, in a line: mass 4, damping 1, disabled 0 3."""
    parts = {name: value for name, value in context.items() if name != "mode"}
    joints = " ".join(str(joint) for joint in parts.pop("crippled", ()))
    return ", ".join(
        [f"{name} {value:g}" for name, value in parts.items()] + ([f"crippled {joints}"] if joints else [])
    )
