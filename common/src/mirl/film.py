"""Films of what a policy does: written while they are drawn, mp4 for anybody's player, WebM for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirl.config import ConfigError

Frame = NDArray[np.uint8]
"""(height, width, 3), RGB."""
CODECS = {
    ".mp4": ("libx264", ("-crf", "20")),
    ".webm": ("libvpx-vp9", ("-crf", "38", "-b:v", "0", "-cpu-used", "3", "-metadata", "encoder=", "-bitexact")),
}
"""Suffix -> codec and its options. VP9's quality is that of a small picture beside a text."""
POSTER_QUALITY = 70


class Film:
    """One film, and what it shows in words. Drawing needs imageio-ffmpeg, which every paper's lock has."""

    def __init__(self, path: Path) -> None:
        """`path`: an .mp4 or a .webm file in a folder that is there; raises ConfigError for others."""
        if path.suffix.lower() not in CODECS:
            raise ConfigError(f"a film is a .mp4 or a .webm file, got {path}")
        self.path = path
        self.texts: dict[str, str] = {}
        self.last: Frame | None = None
        """The picture that it ends with."""

    def write(self, frames: Iterable[Frame], frames_per_s: float) -> None:
        """Write frames of one size as they are drawn; of an odd size the last row or column is shown twice."""
        import imageio_ffmpeg

        codec, options = CODECS[self.path.suffix.lower()]
        writer: Any = None
        try:
            for drawn in frames:
                self.last = even(drawn)
                if writer is None:
                    height, width = self.last.shape[:2]
                    writer = imageio_ffmpeg.write_frames(
                        str(self.path), (width, height), fps=frames_per_s, codec=codec, quality=None,
                        macro_block_size=1, ffmpeg_log_level="error", output_params=[*options],
                    )  # fmt: skip
                    writer.send(None)
                writer.send(np.ascontiguousarray(self.last))
        finally:
            if writer is not None:
                writer.close()

    def tell(self, caption: str, alternative: str) -> None:
        """What is seen and how it ended, and what stands for the film where it cannot be seen; whole sentences."""
        self.texts = {"caption": caption, "alternative": alternative}

    def write_poster(self, path: Path) -> None:
        """The last picture as WebP: what is shown before the film is played, and on paper."""
        from PIL import Image

        if self.last is None:
            raise ValueError("nothing was filmed")
        Image.fromarray(self.last).save(path, "WEBP", quality=POSTER_QUALITY, method=6)


def even(frame: Frame) -> Frame:
    """Colour is stored for two by two pixels."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return frame


def captioned(frame: Frame, text: str, height: int = 24) -> Frame:
    """A frame with a line of text in a dark band under it, (height more, width, 3); what is too long is cut."""
    from PIL import Image, ImageDraw, ImageFont

    band = Image.new("RGB", (frame.shape[1], height), (28, 35, 41))
    font = ImageFont.load_default(size=height * 13 // 24)
    ImageDraw.Draw(band).text((6, height // 2), text, font=font, fill=(255, 255, 255), anchor="lm")
    return np.concatenate([frame, np.asarray(band)])


def held(frame: Frame, seconds: float, frames_per_s: float) -> list[Frame]:
    """A frame for so long, at a film's end."""
    return [frame] * round(seconds * frames_per_s)
