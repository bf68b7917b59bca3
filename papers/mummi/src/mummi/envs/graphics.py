"""The choice of a drawing library, made before MuJoCo is imported.

MuJoCo and dm_control choose their drawing library when they are imported, from MUJOCO_GL; so `choose` runs first.
"""

from __future__ import annotations

import os

from mirl.drawing import drawing_library


def choose() -> str:
    """Set the variables that MuJoCo and dm_control read when they are imported, and return the library's name.

    Drawing stays on the thread that asks for it: dm_control's own drawing threads complain when a program ends.
    """
    chosen = drawing_library()
    os.environ["MUJOCO_GL"] = os.environ["PYOPENGL_PLATFORM"] = chosen
    os.environ.setdefault("DISABLE_RENDER_THREAD_OFFLOADING", "1")
    return chosen
