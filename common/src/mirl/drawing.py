"""Drawing MuJoCo without a screen: EGL where there is an NVIDIA GPU, else OSMesa."""

from __future__ import annotations

import os
from ctypes.util import find_library
from pathlib import Path

LIBRARIES = {"osmesa": ("OSMesa", "libosmesa6"), "egl": ("EGL", "libegl1")}
"""MUJOCO_GL -> library, and the system package that holds it (a paper's apt.txt)."""


class RenderingError(ValueError):
    """No picture can be drawn here; says what to install."""


def drawing_library() -> str:
    """egl or osmesa: what MUJOCO_GL names, else the first that is installed. RenderingError where there is none."""
    wanted = os.environ.get("MUJOCO_GL", "")
    if wanted and wanted not in LIBRARIES:
        raise RenderingError(f"MUJOCO_GL is egl or osmesa where there is no screen, got {wanted!r}")
    preferred = ("egl", "osmesa") if Path("/dev/nvidia0").exists() else ("osmesa", "egl")
    for name in (wanted,) if wanted else preferred:
        if find_library(LIBRARIES[name][0]):
            return name
    package = LIBRARIES[wanted or preferred[0]][1]
    raise RenderingError(f"MuJoCo draws with a library that is missing here; sudo apt-get install {package}")
