"""A real Slurm of two nodes, made and taken away by the tests, and repositories whose runs go there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_host import SlurmHost, two_nodes, why_not
from two_papers import CLUSTER, REPOSITORY, repository


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
