"""Random and expert episodes of the robots; what is done is kept, for an episode takes seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mi_asym.augmentation import rotate_actions, rotate_images
from mi_asym.collect.data import NAMES, Data, save_data
from mi_asym.envs import HORIZON, environment_version, make_batch, task_spec
from mi_asym.envs.draws import episode_generator, stream_key
from mirl.config import ConfigError
from mirl.files import naming

if TYPE_CHECKING:
    from mi_asym.envs.robots.batch import RobotBatch

ENVIRONMENTS = 8
"""That play at once, whatever the machine: episode e is the (e // 8)-th of environment e % 8."""


class CollectionStopped(Exception):  # noqa: N818  # it was asked for
    """The caller asked to stop; the same call goes on from what is kept."""


def collect_robot_episodes(
    path: Path,
    task: str,
    seed: int,
    episodes: int,
    random_episodes: int,
    copies: int,
    workers: int,
    should_stop: Callable[[], bool],
    report: Callable[[int, int], None],
) -> None:
    """Play what is not kept yet, then write the data file.

    Its episodes are: the random ones, the expert's, then `copies` times the expert's again, each time rotated by new
    angles (card 6.1).
    """
    parts = path.with_name(f"{path.name}.parts")
    parts.mkdir(exist_ok=True)
    key = f"{environment_version(task)} {random_episodes} of {episodes}"
    refuse_other_parts(parts, key)
    rounds, batch = -(-episodes // ENVIRONMENTS), None
    try:
        for number in range(rounds):
            part = parts / f"round-{number:05d}.pt"
            if not part.exists():
                if should_stop():
                    raise CollectionStopped(f"{number * ENVIRONMENTS} of {episodes} episodes are kept in {parts}")
                batch = batch or make_batch(task, ENVIRONMENTS, seed, workers=workers, purpose="collect")
                play_round(batch, part, seed, number, episodes, random_episodes)
            report(min(episodes, (number + 1) * ENVIRONMENTS), episodes)
    finally:
        if batch is not None:
            batch.close()
    save_data(path, joined(parts, task, seed, episodes, random_episodes, copies))
    shutil.rmtree(parts)


def refuse_other_parts(parts: Path, key: str) -> None:
    """Raise ConfigError where the kept episodes were played for another call."""
    label = parts / "of.txt"
    if not label.exists():
        label.write_text(key, encoding="utf-8")
    if label.read_text(encoding="utf-8") != key:
        raise ConfigError(f"{parts} holds episodes of another collection; move it away to start anew")


def play_round(batch: RobotBatch, part: Path, seed: int, number: int, episodes: int, random_episodes: int) -> None:
    """Play one episode of each environment and keep them as `part`."""
    indices = number * ENVIRONMENTS + np.arange(ENVIRONMENTS)
    acts_at_random = indices < random_episodes
    draws = episode_generator(stream_key(seed, "collect actions"), 0, number)
    choices = draws.uniform(-1.0, 1.0, size=(HORIZON, ENVIRONMENTS, 5)).astype(np.float32)
    shape = (ENVIRONMENTS, HORIZON)
    kept: dict[str, np.ndarray] = {
        "obss": np.zeros((*shape, batch.spec.observation_size), np.float16),
        "states": np.zeros((*shape, batch.spec.state_size), np.float16),
        "actions": np.zeros((*shape, 5), np.float32),
        "masks": np.zeros(shape, np.float32),
        "rewards": np.zeros(shape, np.float32),
    }
    active = indices < episodes
    batch.episode[:] = number - 1
    batch.reset()
    for time in range(HORIZON):
        advised = batch.query_expert(indices - random_episodes, active & ~acts_at_random)
        action = np.where(acts_at_random[:, None], choices[time], advised)
        kept["obss"][active, time], kept["states"][active, time] = batch.observation()[active], batch.state()[active]
        kept["actions"][active, time], kept["masks"][active, time] = action[active], 1.0
        outcome = batch.step(action, active)
        kept["rewards"][active, time] = outcome.reward[active]
        active = active & ~outcome.done
        if not active.any():
            break
    draft = part.with_suffix(".draft")
    with naming(part):
        torch.save({name: torch.from_numpy(kept[name]) for name in NAMES}, draft)
        draft.replace(part)


def joined(parts: Path, task: str, seed: int, episodes: int, random_episodes: int, copies: int) -> Data:
    """All kept episodes and the rotated copies; the tensors lie in files, for they may be larger than memory."""
    spec, planned = task_spec(task), episodes - random_episodes
    total = random_episodes + planned * (copies + 1)
    pictures = {"obss": spec.observation_size, "states": spec.state_size}
    whole = {name: on_disk(parts / f"{name}.bin", (total, HORIZON, size)) for name, size in pictures.items()}
    whole |= {"actions": torch.zeros(total, HORIZON, 5)}
    whole |= {name: torch.zeros(total, HORIZON) for name in ("masks", "rewards")}
    for first in range(0, episodes, ENVIRONMENTS):
        kept = torch.load(parts / f"round-{first // ENVIRONMENTS:05d}.pt", weights_only=True)
        for index in range(first, min(episodes, first + ENVIRONMENTS)):
            for name in NAMES:
                whole[name][index] = kept[name][index - first]
    angles = episode_generator(stream_key(seed, "collect rotations"), 0, 0).uniform(0.0, 2 * np.pi, (copies, planned))
    for copy in range(copies):
        for index in range(random_episodes, episodes):
            angle = torch.tensor(angles[copy, index - random_episodes])
            turned = rotated({name: whole[name][index] for name in NAMES}, angle)
            for name in NAMES:
                whole[name][index + planned * (copy + 1)] = turned[name]
    return Data(**whole)


def on_disk(path: Path, shape: tuple[int, int, int]) -> Tensor:
    """A float16 tensor of zeros in a file of its own."""
    return torch.from_file(str(path), shared=True, size=int(np.prod(shape)), dtype=torch.float16).view(shape)


def rotated(episode: dict[str, Tensor], angle: Tensor) -> dict[str, Tensor]:
    """One episode seen from another side: observations, states and actions turned by `angle` (card 4.5).

    Padding stays zero, for what is rotated there is zero.
    """
    angles = angle.expand(HORIZON)
    images = {name: episode[name].view(HORIZON, 2, 84, 84) for name in ("obss", "states")}
    turned = {name: rotate_images(image, angles).reshape(HORIZON, -1) for name, image in images.items()}
    return episode | turned | {"actions": rotate_actions(episode["actions"][None], angle[None])[0]}
