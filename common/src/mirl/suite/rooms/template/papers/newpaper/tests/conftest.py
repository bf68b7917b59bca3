"""One thread, as the product has by default: more would fight with whatever else the machine does."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
