"""What a manifest tells of a framework."""

from __future__ import annotations

import importlib
from typing import Any


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
