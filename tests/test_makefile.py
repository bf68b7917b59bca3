"""The first minute: what `make` says on a host where nothing is set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "awk", "env", "cat")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A copy of what `make` reads, without any environment, on a host with few programs and no Python."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "common/src", tmp_path / "common/src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "papers/toy").mkdir(parents=True)
    (tmp_path / "papers/toy/pyproject.toml").write_text("")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def install(host: Path, name: str, script: str) -> None:
    (host / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (host / "bin" / name).chmod(0o755)


def make(host: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], cwd=host, env={"PATH": str(host / "bin"), **environment}, capture_output=True, text=True
    )


def test_without_a_fitting_python_one_line_says_what_to_install(host: Path):
    for target in ("reproduce", "setup", "list"):
        refused = make(host, target)
        assert refused.returncode == 2
        said = refused.stderr.splitlines()
        assert said[0].startswith("make: neither python3.11 nor python3.12 is here. Debian 12: sudo apt-get install")
        assert len(said) == 2, said  # the other is make's own


@pytest.mark.parametrize("broken", [False, True])
def test_python_3_12_alone_will_do(host: Path, broken: bool):
    if broken:  # a version manager leaves a script for every version it knows of
        install(host, "python3.11", "echo 'python3.11: command not found' >&2; exit 127")
    install(host, "python3.12", '[ "$1" = -c ] || echo "python3.12 $*"')
    made = make(host, "suite")
    assert (made.returncode, made.stdout) == (0, "python3.12 common/src/mirl/suite/venvs.py common\n")


def test_what_the_shell_brings_does_not_reach_our_interpreters(host: Path):
    install(host, "python3.12", '[ "$1" = -c ] || env')
    seen = make(host, "suite", PYTHONPATH="/theirs", PYTHONHOME="/theirs", PYTHONUSERBASE="/theirs").stdout
    assert "/theirs" not in seen
    assert "PYTHONNOUSERSITE=1" in seen


@pytest.mark.parametrize(
    ("goal", "set_up"),
    [("lint-toy", ["toy"]), ("test-toy", ["toy"]), ("lint-suite", []), ("lint", ["line", "toy"])],
)
def test_only_what_is_asked_for_is_set_up(host: Path, goal: str, set_up: list[str]):
    (host / "papers/line").mkdir()
    (host / "papers/line/pyproject.toml").write_text("")
    install(host, "python3.12", "")
    for program in (
        "common/.venv/bin/mirl",
        "common/.venv/bin/mypy",
        "common/.venv/bin/ruff",
        "papers/toy/.venv/bin/python",
    ):
        (host / program).parent.mkdir(parents=True, exist_ok=True)
        (host / program).symlink_to(host / "bin/told")
    install(host, "told", 'echo "${0##*/}" "$*"')
    made = make(host, "-j2", goal)
    assert made.returncode == 0, made.stderr
    told = [line.removeprefix("mirl setup --paper ") for line in made.stdout.splitlines() if line.startswith("mirl ")]
    assert told == set_up


def test_the_doctor_comes_before_anything_is_set_up(host: Path):
    install(host, "python3", f'exec {sys.executable} -S "$@"')  # -S: no installed package at all
    seen = make(host, "doctor")
    assert "Traceback" not in seen.stderr
    assert "suite environment" in seen.stdout
    assert "make suite" in seen.stdout
    assert "toy environment" in seen.stdout


def test_without_any_python_the_doctor_names_the_package(host: Path):
    refused = make(host, "doctor")
    assert refused.returncode == 2
    assert refused.stderr.startswith("make: no Python is here. Debian 12: sudo apt-get install -y python3.11-venv")
