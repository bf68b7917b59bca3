"""The simulated device needs PyTorch: test_simulated_device.py tests it in the environment of a paper."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["simulated_device"]
