"""One thread, as the product has by default, since more would fight with whatever else the machine does; and what the
papers' tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

torch.set_num_threads(1)
sys.path.append(str(Path(__file__).parents[3] / "tests"))
