"""Videos behind the robot: the original's files, the user's own, or natural-looking ones made here (card 4.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "valid"]
"""Videos for training, or for evaluation and tests; they have none in common."""


class Backgrounds(Protocol):
    """A set of videos of one length."""

    source: str
    """Where they come from: a file of the original's, `own videos` or `procedural`; results say it."""
    videos: int
    frames: int
    """Per video."""

    @property
    def sha256(self) -> str | None:
        """Of the file that they are in; None for procedural ones."""

    def frame(self, video: int, number: int) -> NDArray[np.uint8]:
        """(64, 64, 3), red first."""


def load_backgrounds(split: Split, folder: Path, videos: int, frames: int) -> Backgrounds:
    """`natural_<split>.pkl` of the original's form in `folder`, else `own_<split>.npy`, else `videos` procedural ones.

    `videos` and `frames` are the size of the procedural set; files have their own. Raises ValueError, in one line, for
    a file that cannot be used, where there is no such folder, and where it holds the videos of one split only.
    """
    from mummi.backgrounds.files import VideoFile
    from mummi.backgrounds.procedural import ProceduralVideos

    if not folder.is_dir():
        raise ValueError(f"backgrounds must be a folder, got {folder}")
    for name in ("natural_{}.pkl", "own_{}.npy"):
        paths = [folder / name.format(each) for each in get_args(Split)]
        missing = [path for path in paths if not path.is_file()]
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing: training and evaluation need different videos")
        if not missing:
            return VideoFile(folder / name.format(split))
    return ProceduralVideos(split, videos, frames)
