"""A repository with the real papers, of which two are registered with one task each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[4]
CLUSTER = """
slurm:
  gres: "gpu:1"
  device: cpu
  jobs: 100
  retries: 0
  stop_before_s: 45
  poll_s: 3
  budgets:
    tiny: {time_factor: 5, memory_factor: 2, least_minutes: 10, most_minutes: 10}
    workstation: {time_factor: 1, memory_factor: 2, least_minutes: 2, most_minutes: 2}
    paper: {time_factor: 1, memory_factor: 1, least_minutes: 1, most_minutes: 1}
"""
TASKS = {"amigo": "Empty-8x8", "mime": "wide_ring"}
METHODS = {"amigo": ["amigo", "amigo_adaptive", "amigo_novelty", "impala"], "mime": ["maml", "mime"]}


def repository(folder: Path) -> Path:
    """12 tiny runs of six methods are registered there."""
    folder.mkdir()
    for name in ("common", "papers"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("reference", "regression"):
        shutil.copytree(REPOSITORY / "results" / name, folder / "results" / name)
    registered = yaml.safe_load((REPOSITORY / "reproduce.yaml").read_text(encoding="utf-8"))
    registered["papers"] = {paper: reduced(registered["papers"][paper], paper) for paper in TASKS}
    (folder / "reproduce.yaml").write_text(yaml.safe_dump(registered))
    (folder / "cluster.yaml").write_text(CLUSTER)
    return folder


def reduced(entry: dict[str, Any], paper: str) -> dict[str, Any]:
    """A paper with one task and some of its methods, and no claims."""
    task = entry["tasks"][TASKS[paper]]
    for place in (task, *task["budgets"].values()):
        for part in ("cost", "methods"):
            if isinstance(place.get(part), dict):
                place[part] = {name: one for name, one in place[part].items() if name.split("@")[0] in METHODS[paper]}
    return entry | {"tasks": {TASKS[paper]: task | {"methods": METHODS[paper]}}, "claims": []}
