"""A real Slurm of two nodes, made and taken away by the tests, and repositories whose runs go there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from slurm_host import SlurmHost, two_nodes, why_not

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


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmHost]:
    """Two nodes with two GPUs each."""
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="mirl-slurm-"))
    try:
        with two_nodes(folder) as host:
            yield host
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def root(root: Path, slurm: SlurmHost) -> Path:
    """The toy's repository, on the cluster."""
    (root / "common").symlink_to(REPOSITORY / "common")
    (root / "cluster.yaml").write_text(CLUSTER)
    path = root / "reproduce.yaml"
    path.write_text(path.read_text().replace("seconds_per_step: 0.02", "seconds_per_step: 0.2"))
    slurm.wait_until_idle()
    return root


def repository(folder: Path) -> Path:
    """Two real papers with one task each: 12 tiny runs of six methods."""
    folder.mkdir()
    for name in ("common", "papers"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("reference", "regression"):
        shutil.copytree(REPOSITORY / "results" / name, folder / "results" / name)
    registered = yaml.safe_load((REPOSITORY / "reproduce.yaml").read_text(encoding="utf-8"))
    for paper in list(registered["papers"]):
        entry = registered["papers"][paper]
        if paper not in TASKS:
            del registered["papers"][paper]
            continue
        entry["tasks"] = {TASKS[paper]: entry["tasks"][TASKS[paper]]}
        entry["tasks"][TASKS[paper]]["methods"] = METHODS[paper]
        budgets = entry["tasks"][TASKS[paper]]["budgets"].values()
        for budget in budgets:
            others = budget.get("methods", {})
            budget["methods"] = {name: own for name, own in others.items() if name in METHODS[paper]}
        entry["claims"] = []
    (folder / "reproduce.yaml").write_text(yaml.safe_dump(registered))
    (folder / "cluster.yaml").write_text(CLUSTER)
    return folder


@pytest.fixture(scope="session")
def finished_here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same 12 runs by the local executor, and what they were judged to be."""
    root = repository(tmp_path_factory.mktemp("local") / "repository")
    return root, judged(root, "local")


def judged(root: Path, executor: str) -> str:
    """Run, or continue, all that is registered; returns the verdicts that `mirl compare` then prints."""
    command = [sys.executable, "-m", "mirl.suite.cli"]
    done = subprocess.run(
        [*command, "reproduce", "--all", "--budget", "tiny", "--executor", executor],
        cwd=root, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    compared = subprocess.run([*command, "compare", "--budget", "tiny"], cwd=root, capture_output=True, text=True)
    assert compared.returncode == 0, compared.stderr
    return compared.stdout
