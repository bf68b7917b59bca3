"""Run by ../test_simulated_device.py in the environment of a paper: that of the suite has no PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))


@pytest.fixture
def counts() -> Iterator[Any]:
    """What was counted on a device that is there for one test."""
    from simulated_device import simulated_device

    with simulated_device() as found:
        yield found
