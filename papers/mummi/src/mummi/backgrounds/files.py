"""Videos in files: the original's pickled arrays, read without trust, and arrays made by `mummi backgrounds`."""

from __future__ import annotations

import pickle
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirl.files import sha256

ADMITTED = {
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""What a pickled array of numbers names; nothing else is ever loaded."""


class ArrayUnpickler(pickle.Unpickler):
    """Loads arrays and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what arrays need."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, and only an array is admitted")
        return super().find_class(module, name)


class VideoFile:
    """All videos of one file."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError, in one line, where the file is not what its name says."""
        self.path = path
        self.source = path.name if path.suffix == ".pkl" else "own videos"
        self.pixels = pickled_videos(path) if path.suffix == ".pkl" else mapped_videos(path)
        self.videos, self.frames = self.pixels.shape[:2]

    def frame(self, video: int, number: int) -> NDArray[np.uint8]:
        """(64, 64, 3), red first."""
        return np.ascontiguousarray(self.pixels[video, number])

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return sha256(self.path)

    def __reduce__(self) -> tuple[type[VideoFile], tuple[Path]]:
        """Another process opens the file itself."""
        return VideoFile, (self.path,)


def pickled_videos(path: Path) -> NDArray[np.uint8]:
    """(videos, frames, 64, 64, 3) from a pickled array (videos, frames, 3, 64, 64) of numbers from 0 to 255."""
    try:
        with path.open("rb") as stream:
            array = ArrayUnpickler(stream, encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
    shape = getattr(array, "shape", None)
    if not isinstance(array, np.ndarray) or array.ndim != 5 or array.shape[2:] != (3, 64, 64) or not array.size:
        raise ValueError(f"{path} must hold one array (videos, frames, 3, 64, 64), got {shape or type(array).__name__}")
    return np.transpose(as_bytes(array, path), (0, 1, 3, 4, 2))


def as_bytes(array: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """uint8; other kinds of numbers are taken where they run from 0 to 255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path} must hold numbers from 0 to 255, got {array.dtype}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and 1 < high <= 255):
        raise ValueError(f"{path} must hold numbers from 0 to 255, got {low:g} to {high:g}")
    return array.astype(np.uint8)


def mapped_videos(path: Path) -> NDArray[np.uint8]:
    """(videos, frames, 64, 64, 3), read from the file when it is looked at."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if array.ndim != 5 or array.shape[2:] != (64, 64, 3) or array.dtype != np.uint8 or not array.size:
        raise ValueError(
            f"{path} must hold bytes of shape (videos, frames, 64, 64, 3), got {array.dtype} {array.shape}"
        )
    return array  # type: ignore[no-any-return]
