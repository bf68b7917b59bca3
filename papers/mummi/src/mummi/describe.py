"""What a run stands on: sizes of the networks, versions of the framework."""

from __future__ import annotations

from importlib import metadata
from typing import Any


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each network's weights (card 5.1)."""
    import mummi.framework  # noqa: F401 - before anything else of TensorFlow
    from mummi.agent import Agent
    from mummi.config import configure
    from mummi.envs import sizes_of

    return Agent(configure(task, method, "faithful"), *sizes_of(task), seed=0).parameter_counts()


def versions(device: str) -> dict[str, Any]:
    """Framework, CUDA and GPU by name and version; results repeat bit for bit on a CPU with a fixed thread count."""
    from mummi.framework import tf

    gpus = tf.config.list_physical_devices("GPU") if device == "cuda" else []
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else None
    return {
        "tensorflow": tf.__version__,
        "dm_control": metadata.version("dm_control"),
        "mujoco": metadata.version("mujoco"),
        "cuda": tf.sysconfig.get_build_info().get("cuda_version") if gpus else None,
        "gpu": name,
        "deterministic": name is None,
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }
