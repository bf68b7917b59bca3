"""How much of this machine may be used: what a container was given, where that is less than the machine has."""

from __future__ import annotations

import os
import re
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
GIB = 2**30


def usable_cores() -> float:
    """Processor cores for this process; a container's share may be a fraction."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return cores if quota == "max" else min(cores, int(quota) / int(period))
    except (OSError, ValueError):
        return cores


def memory_gib() -> tuple[float, float]:
    """Total and free GiB; page cache counts as free."""
    total, available = host_memory_gib()
    try:
        limit = int((CGROUP / "memory.max").read_text())
        statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        used = int((CGROUP / "memory.current").read_text()) - int(statistics.get("file", 0))
    except (OSError, ValueError):  # no container, or one without a limit
        return total, available
    free = min(available, max(limit - used, 0) / GIB)
    return min(total, limit / GIB), free


def host_memory_gib() -> tuple[float, float]:
    """Total and free GiB of the whole machine, as Linux tells them."""
    lines = dict(re.findall(r"^(\w+): +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return int(lines["MemTotal"]) * 1024 / GIB, int(lines["MemAvailable"]) * 1024 / GIB
