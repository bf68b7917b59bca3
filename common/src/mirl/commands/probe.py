"""`probe`: what one update of a method comes to on a device, and what it costs there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mirl.arithmetic import set_up_torch
from mirl.commands.options import Parser, choose_of, print_table, require_option
from mirl.commands.train import choose_device
from mirl.config import ConfigError
from mirl.measure import measure
from mirl.paper import Paper

LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx")


def run(paper: Paper, words: Sequence[str]) -> int:
    """Losses and gradients of one update on a batch that is the same on every device; time, launches and memory."""
    parser = Parser(paper, "probe", run.__doc__ or "")
    parser.add_argument("--task", default=paper.tasks[0], metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--method", metavar="M", help=", ".join(paper.methods))
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda")
    parser.add_argument("--small", action="store_true", help="small batches and networks, for tests")
    parser.add_argument("--out", type=Path, metavar="FILE.npz", help="where losses and gradients are written")
    options = parser.parse_all(words)
    if paper.probe is None:
        raise ConfigError(f"{paper.name} has no probe")
    require_option(options, "method", (), paper.methods)
    task = choose_of(paper, "task", options.task, paper.tasks)
    method = choose_of(paper, "method", options.method, paper.methods)
    if options.out is not None and options.out.suffix != ".npz":
        raise ConfigError(f"--out must name a .npz file, got {options.out}")
    device = choose_device(paper, options.device)
    set_up_torch(1)
    made = paper.probe(task, method, device, options.small)
    first = {name: float(value) for name, value in made.update().items()}
    learnt = {name: value.detach().cpu().numpy().copy() for name, value in made.learnt().items()}
    cost = costs(made.act, made.update, device)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        facts = {"task": task, "method": method, "device": device, "losses": first, "cost": cost}
        np.savez_compressed(options.out, facts=np.array(json.dumps(facts)), **learnt)
    told = first | {name: value for name, value in cost.items() if value is not None}
    rows = [(name, f"{value:.6g}") for name, value in told.items()]
    print_table([(f"{paper.name} {task} {method}, {device}", "value"), *rows])
    return 0


def costs(act: Callable[[], int], update: Callable[[], Any], device: str) -> dict[str, float | None]:
    """Seconds, and on a card launches and peak memory; None for what this device does not tell."""
    torch: Any = importlib.import_module("torch")  # mirl itself stands on no framework
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def settled(function: Callable[[], Any]) -> float:
        return measure(lambda: (function(), wait()), least_s=0.2)

    env_steps = act()
    return {
        "update_s": settled(update),
        "env_steps_per_s": env_steps / settled(act),
        "update_launches": launches(torch, update) if device == "cuda" else None,
        "peak_memory_mib": torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None,
    }


def launches(torch: Any, update: Callable[[], Any]) -> float | None:
    """Kernels that one update launches, as CUDA's profiler counts them; None where it sees no card."""
    activities = torch.profiler.ProfilerActivity
    if activities.CUDA not in torch.profiler.supported_activities():
        return None
    with torch.profiler.profile(activities=[activities.CPU, activities.CUDA]) as profile:
        update()
        torch.cuda.synchronize()
    return float(sum(event.count for event in profile.key_averages() if event.key in LAUNCHES))
