"""One thread and one TensorFlow for all tests; and what the papers' tests share."""

from __future__ import annotations

import sys
from pathlib import Path

from mummi.framework import prepare

prepare(1, "cpu")
sys.path.append(str(Path(__file__).parents[3] / "tests"))
