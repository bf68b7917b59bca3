"""MuJoCo models: gymnasium's packaged files, which equal the ones that the release used (card 4.2, 4.4)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from sami.envs.simulator import mujoco


def model_file(name: str) -> Path:
    """Path of one of gymnasium's models, found without importing gymnasium's own MuJoCo environments."""
    package = find_spec("gymnasium")
    if package is None or package.origin is None:
        raise FileNotFoundError("gymnasium, whose MuJoCo models SaMI uses, is not installed")
    return Path(package.origin).parent / "envs" / "mujoco" / "assets" / f"{name}.xml"


@cache
def model_text(name: str) -> tuple[str, float | None]:
    """The model's XML without `settotalmass`, and the total mass that it asked for.

    The attribute is applied after compiling instead: MuJoCo 4 warns of it, into a file in the working folder.
    """
    root = ElementTree.parse(model_file(name)).getroot()
    compiler = root.find("compiler")
    total = None if compiler is None else compiler.attrib.pop("settotalmass", None)
    return ElementTree.tostring(root, encoding="unicode"), None if total is None else float(total)


def load_model(name: str, legacy_capsule_mass: bool = False) -> mujoco.MjModel:
    """A model of its own for the caller to edit."""
    text, total = model_text(name)
    model = mujoco.MjModel.from_xml_string(text)
    if legacy_capsule_mass:
        ratio = capsule_mass_ratio(model)
        model.body_mass[:] *= ratio
        model.body_inertia[:] *= ratio[:, None]
    if total is not None:
        mujoco.mj_setTotalmass(model, total)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def capsule_mass_ratio(model: mujoco.MjModel) -> np.ndarray:
    """MuJoCo 2.1.0's mass over today's, per body: its capsules' caps weigh pi r^3 instead of 4/3 pi r^3 (card 4.4).

    Every body of these models has geoms of one density, so the ratio of volumes is the ratio of masses.
    """
    modern, legacy = np.zeros(model.nbody), np.zeros(model.nbody)
    for geom in range(model.ngeom):
        body, (radius, half_length, _) = model.geom_bodyid[geom], model.geom_size[geom]
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            cylinder = 2 * np.pi * radius**2 * half_length
            modern[body] += cylinder + 4 / 3 * np.pi * radius**3
            legacy[body] += cylinder + np.pi * radius**3
        elif model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_SPHERE:
            modern[body] += 4 / 3 * np.pi * radius**3
            legacy[body] += 4 / 3 * np.pi * radius**3
    return np.divide(legacy, modern, out=np.ones(model.nbody), where=modern > 0)
