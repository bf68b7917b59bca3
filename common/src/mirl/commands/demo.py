"""`demo`: what an image does by default."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from mirl.commands.options import Parser, choose_of
from mirl.config import ConfigError, choose
from mirl.paper import Paper

BUDGETS = ("tiny", "workstation", "paper")


def run(paper: Paper, words: Sequence[str]) -> int:
    """Train and evaluate one task, then print the comparison."""
    parser = Parser(paper, "demo", run.__doc__ or "")
    parser.add_argument("--task", default=paper.tasks[0], metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--budget", default="tiny", metavar="B", help=", ".join(BUDGETS))
    options = parser.parse_all(words)
    task = choose_of(paper, "task", options.task, paper.tasks)
    budget = choose("budget", options.budget, BUDGETS)
    suite, root = find_suite(paper), paper.project.parents[1]
    if os.environ.get("MIRL_IMAGE", "").endswith(":gpu") and not paper.versions("cuda").get("gpu"):
        shown = "docker run --gpus all shows them, with NVIDIA's container toolkit"
        print(f"no GPU is visible in here ({shown}): this runs on the CPU", flush=True)
    words = ["--paper", paper.name, "--task", task, "--budget", budget, "--root", str(root)]
    os.execv(suite, [suite, "reproduce", *words])


def find_suite(paper: Paper) -> str:
    """The `mirl` command: named by MIRL_SUITE, on the path, or in the repository that this paper lies in."""
    in_repository = [folder / "common/.venv/bin/mirl" for folder in paper.project.parents]
    for place in [os.environ.get("MIRL_SUITE"), shutil.which("mirl"), *in_repository]:
        if place and os.access(place, os.X_OK):
            return str(place)
    raise ConfigError("demo needs the suite's command `mirl`; `make setup` in the repository's root installs it")
