"""A gradient step at the original's default sizes fits a small machine (card 8)."""

from __future__ import annotations

import subprocess
import sys

import pytest

GRADIENT_STEP = """
import resource
from sami.bench import Case
from sami.fidelity import configure
case = Case("walker", configure("walker", "saccm", "faithful"), trajectories=4)
assert (case.config.batch_size, case.config.contrasted, case.config.horizon) == (16, 16, 2000)
case.gradient_step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_a_gradient_step_at_the_defaults_stays_under_four_gigabytes():
    done = subprocess.run([sys.executable, "-c", GRADIENT_STEP], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 4.0, "GiB at the peak"
