"""Run directories that many tests look at, made once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from toy import driver


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--inputs", type=int, default=1000, help="how many damaged inputs the fuzz tests try in all")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, to the end, with TensorBoard."""
    directory = tmp_path_factory.mktemp("finished") / "seed0"
    done = driver.toy(*driver.TRAIN, "--run-dir", directory, "--save-every", "200")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="session")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that SIGTERM stopped in the middle; look at it, or continue a copy."""
    directory = tmp_path_factory.mktemp("interrupted") / "seed0"
    process = driver.start(directory, *driver.SLOWLY)
    driver.wait_until(lambda: driver.saved_step(directory) > 300)
    code, _ = driver.stop(process, signal.SIGTERM)
    assert code == 143
    return directory
