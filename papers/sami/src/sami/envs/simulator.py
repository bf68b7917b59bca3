"""MuJoCo, imported without its drawing libraries: training needs none, and a missing one must not stop it.

`import mujoco` else loads what MUJOCO_GL names; here only `sami.envs.rendering` does, when a picture is asked for.
"""

from __future__ import annotations

import os

wanted = os.environ.get("MUJOCO_GL")
os.environ["MUJOCO_GL"] = "disable"
try:
    import mujoco
    from mujoco.batch import Batch
finally:
    del os.environ["MUJOCO_GL"]
    if wanted is not None:
        os.environ["MUJOCO_GL"] = wanted

__all__ = ["Batch", "mujoco"]
