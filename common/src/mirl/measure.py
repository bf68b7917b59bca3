"""Timing for `bench`: the machine's own speed first, then a function's, so that ratios can be compared."""

from __future__ import annotations

import importlib
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def measure(function: Callable[[], Any], least_s: float = 1.0, least_calls: int = 3) -> float:
    """Median seconds of a call of `function`, after one call that is not counted.

    Calls go on until `least_s` seconds and `least_calls` calls have been spent.
    """
    function()
    durations: list[float] = []
    while len(durations) < least_calls or sum(durations) < least_s:
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def calibrate() -> dict[str, float]:
    """How fast this machine is just now, in the units that the keys name: a matrix product, a copy, a Python loop."""
    import numpy as np

    left = np.random.default_rng(0).random((512, 512), dtype=np.float32)
    memory = np.zeros(16_000_000, dtype=np.float64)
    turns = 200_000

    def loop() -> int:
        total = 0
        for turn in range(turns):
            total += turn & 3
        return total

    return {
        "matrix_product_gflop_per_s": 2 * 512**3 / measure(lambda: left @ left, 0.2) / 1e9,
        "memory_copy_gb_per_s": 2 * memory.nbytes / measure(lambda: memory.copy(), 0.2) / 1e9,
        "python_loop_million_per_s": turns / measure(loop, 0.2) / 1e6,
    }


def peak_memory_mib() -> float:
    """The most memory this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plain_twins(project: Path, *modules: str) -> ModuleType | None:
    """A paper's package tests/plain, with these of its modules loaded; None where its tests are not here."""
    tests = project / "tests"
    if not (tests / "plain" / "__init__.py").is_file():
        return None
    if str(tests) not in sys.path:
        sys.path.insert(0, str(tests))
    for module in modules:
        importlib.import_module(f"plain.{module}")
    return importlib.import_module("plain")
