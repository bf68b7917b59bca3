"""python tests/simulated_device/table.py PAPER [METHOD ...]: what acting and learning ask of a card, as lines of JSON.

Run it in the paper's environment. Every number is counted at the paper's own sizes on its first task; nothing is timed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path[0] = str(Path(__file__).resolve().parents[1])
from simulated_device import Counts, simulated_device  # noqa: E402

TASKS = {"sami": "halfcheetah"}
"""Where a paper's first task is not the one to count: SaMI's panda is a sixth of the steps of the others."""


def row(paper: Any, method: str) -> dict[str, Any]:
    """The counts of one method."""
    task = TASKS.get(paper.name, paper.tasks[0])
    found: dict[str, Any] = {"paper": paper.name, "task": task, "method": method}
    with simulated_device() as counts:
        made = paper.probe(task, method, "cuda", False)
        made.update()  # what is made once is made
        before = counts.copy()
        env_steps = made.act()
        acted = counts.since(before)
        before = counts.copy()
        made.update()
        learnt = counts.since(before)
    found |= {"turns": made.turns, "env_steps": env_steps, "act": totals(acted), "update": totals(learnt)}
    found["update_flop"] = flop(lambda: paper.probe(task, method, "cuda", False).update)
    return found


def totals(counts: Counts) -> dict[str, int]:
    return {name: sum(getattr(counts, name).values()) for name in ("launches", "waits", "copies")}


def flop(make: Callable[[], Callable[[], Any]]) -> int:
    """Floating point operations of the matrix products and convolutions of an update, by PyTorch's own counter."""
    with simulated_device(fused=False):
        update = make()
        with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
            update()
        return int(counter.get_total_flops())


def product_added(added: Any, left: Any, right: Any, **_: Any) -> int:
    """Of a product that is added to a tensor in place, which the counter does not know; shapes come in."""
    batch = left[0] if len(left) == 3 else 1
    return int(2 * batch * left[-2] * left[-1] * right[-1])


IN_PLACE = {torch.ops.aten.addmm_: product_added, torch.ops.aten.baddbmm_: product_added}


def main() -> None:
    name, *methods = sys.argv[1:]
    paper = importlib.import_module(f"{name}.__main__").PAPER
    for method in methods or paper.methods:
        with contextlib.redirect_stdout(sys.stderr):
            found = row(paper, method)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
