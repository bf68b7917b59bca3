"""The tests of the simulated device, which need PyTorch: they run in the environment of a paper that has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / "papers/amigo/.venv/bin/python"


def test_planted_faults_are_caught_and_waits_are_counted():
    words = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/simulated_device"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
