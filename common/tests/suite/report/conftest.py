"""A small repository and its report, built once through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_results import fill, make_repository, report_in


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with results; its report of all runs is in results/report. Tests leave it as it is."""
    root = fill(make_repository(tmp_path_factory.mktemp("repository")))
    done = report_in(root, "--runs")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def site(filled: Path) -> Path:
    return filled / "results/report"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository without results, for a test of its own."""
    return make_repository(tmp_path)
