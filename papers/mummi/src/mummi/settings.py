"""Test conditions by name."""

from __future__ import annotations

RATIOS = {"ratio_0": 0.0, "ratio_0.05": 0.05, "ratio_0.1": 0.1}
"""Setting -> missing ratio of every sensor (card 2.4 b)."""
SETTINGS = ("robustness", *RATIOS)
"""What `evaluate --setting` takes; `robustness` plays all of them."""
