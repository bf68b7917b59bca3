"""What a manifest tells of a framework, and of all else that results hang on."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

RESULTS_HANG_ON = (
    "numpy", "numba", "torch", "tensorflow", "tensorflow_probability", "stable_baselines3",
    "gym", "gymnasium", "gym_minigrid", "mujoco", "dm_control", "metaworld", "pybullet", "panda_gym",
)  # fmt: skip
"""Frameworks, environments and simulators, by the names under which they are imported."""


def torch_versions(device: str) -> dict[str, Any]:
    """PyTorch, CUDA and GPU by name and version; results repeat bit for bit on a CPU with a fixed thread count."""
    torch: Any = importlib.import_module("torch")  # mirl itself stands on no framework
    gpu = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else None
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "gpu": gpu,
        "deterministic": gpu is None,
        "threads": torch.get_num_threads(),
        "tf32": torch.backends.cudnn.allow_tf32,
    }


def imported_versions() -> dict[str, str]:
    """The versions of RESULTS_HANG_ON that this process has imported, wherever they came from."""
    loaded = {name: sys.modules.get(name) for name in RESULTS_HANG_ON}
    return {name: version_of(module) for name, module in loaded.items() if module is not None}


def version_of(module: ModuleType) -> str:
    """A module's own word, else that of the distribution which lies beside it; 'unknown' where there is neither."""
    own = getattr(module, "__version__", None)
    if isinstance(own, str):
        return own
    folder = str(Path(module.__file__).parent) if module.__file__ else ""
    place = str(Path(folder).parent) if hasattr(module, "__path__") else folder
    beside = next(iter(metadata.Distribution.discover(name=module.__name__, path=[place])), None)
    return beside.version if beside else "unknown"
