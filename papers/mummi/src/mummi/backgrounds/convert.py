"""A folder of the user's own videos and pictures becomes backgrounds for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from imageio_ffmpeg import read_frames
from numpy.typing import NDArray
from PIL import Image

from mirl.files import naming
from mummi.streams import stream

SIZE = 64
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".gif")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def convert(source: Path, target: Path, frames: int = 256, valid_share: float = 0.2, seed: int = 0) -> str:
    """Write `own_train.npy` and `own_valid.npy` into `target` and return a sentence on what is in them.

    One video for each video file in `source`, for each folder of pictures in it (in the order of their names), and for
    each single picture, which stands still. The middle square is brought to 64x64. Of longer videos the first `frames`
    frames are taken; shorter ones start again. `valid_share` of the videos, at least one, are for evaluation alone;
    `seed` draws which. Raises ValueError, in one line.
    """
    for name, value, least in (("frames", frames, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if not 0 < valid_share < 1:
        raise ValueError(f"valid_share must be between 0 and 1, got {valid_share}")
    found = sources_in(source)
    if len(found) < 2:
        raise ValueError(f"{source} must hold at least 2 videos or pictures, one to train and one to evaluate with")
    targets = target / "own_train.npy", target / "own_valid.npy"
    for path in targets:
        if path.exists():
            raise ValueError(f"{path} exists; move it away or choose another target")
    order = stream(seed, "own videos").permutation(len(found))
    held_out = min(max(1, round(valid_share * len(found))), len(found) - 1)
    parts = order[held_out:], order[:held_out]
    target.mkdir(parents=True, exist_ok=True)
    drafts = [path.with_suffix(".part") for path in targets]
    try:
        for draft, numbers in zip(drafts, parts, strict=True):
            write(draft, [found[number] for number in sorted(numbers)], frames)
        for draft, path in zip(drafts, targets, strict=True):  # both are whole, or neither is there
            draft.replace(path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return f"{len(parts[0])} videos for training and {len(parts[1])} for evaluation, {frames} frames each, in {target}"


def sources_in(folder: Path) -> list[Path]:
    """Video files, pictures and folders of pictures, by name. ValueError where there is no such folder."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in visible if (pictures_in(path) if path.is_dir() else kind(path) in VIDEOS + PICTURES)]


def pictures_in(folder: Path) -> list[Path]:
    """The folder's pictures by name."""
    return sorted(path for path in folder.iterdir() if kind(path) in PICTURES and not path.name.startswith("."))


def kind(path: Path) -> str:
    """A file name's ending in small letters."""
    return path.suffix.lower()


def write(path: Path, videos: Sequence[Path], frames: int) -> None:
    """An array (videos, frames, 64, 64, 3) of bytes, one video in memory at a time."""
    shape = len(videos), frames, SIZE, SIZE, 3
    form = {"descr": np.dtype(np.uint8).str, "fortran_order": False, "shape": shape}
    with naming(path), path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, form)  # type: ignore[no-untyped-call]
        for video in videos:
            file.write(first_frames(video, frames).tobytes())


def first_frames(video: Path, frames: int) -> NDArray[np.uint8]:
    """(frames, 64, 64, 3): a video's beginning, again and again where it is shorter. ValueError where it is empty."""
    taken = list(islice(pictures_of(video), frames))
    if not taken:
        raise ValueError(f"{video} has no frames")
    return np.resize(np.stack(taken), (frames, SIZE, SIZE, 3))


def pictures_of(source: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of one source, (64, 64, 3). ValueError where it cannot be read."""
    try:
        if source.is_dir():
            yield from (small(picture(path)) for path in pictures_in(source))
        elif kind(source) in PICTURES:
            yield small(picture(source))
        else:
            yield from frames_of(source)
    except (OSError, RuntimeError, StopIteration) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ValueError(f"{source} cannot be read: {reason}") from None


def picture(path: Path) -> Image.Image:
    """A picture file's first page, in red, green and blue. OSError where its pixels are no shades of 8 or 16 bits."""
    with Image.open(path) as image:
        if image.mode.startswith("I;16"):
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
        if image.mode in ("I", "F"):
            raise OSError("its pixels are numbers, not shades of 8 or 16 bits")
        return image.convert("RGB")


def frames_of(video: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video file, (64, 64, 3)."""
    film = read_frames(str(video))
    width, height = next(film)["size"]
    for frame in film:
        yield small(Image.frombytes("RGB", (width, height), frame))


def small(image: Image.Image) -> NDArray[np.uint8]:
    """The middle square of a picture, 64x64."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.resize((SIZE, SIZE), Image.Resampling.BOX, (left, top, left + side, top + side))
    return np.asarray(square)
