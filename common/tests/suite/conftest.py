"""A small repository around the toy paper, in which the suite's own commands run as they do in the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from mirl.suite import cli, venvs

TESTS = Path(__file__).parents[1]

REPRODUCE = """
version: 1
papers:
  toy:
    title: Toy
    citation: nobody, nowhere
    fidelities: [faithful]
    fidelity: faithful
    variants:
      slow: {seconds_per_step: 0.02}
      broken: {nan_at: 100}
      short: {total_env_steps: 150}
    regression:
      random_walk: {last: [eval/return], first: [train/return]}
      drift: {last: [eval/return], first: [train/return]}
    tasks:
      line:
        title: a line
        methods: [random_walk, drift]
        metric: {name: eval/return, unit: reward per episode}
        margin: 1.0
        margin_source: invented
        budgets:
          tiny: {env_steps: 200, seeds: [0, 1]}
          workstation:
            env_steps: 400
            seeds: [0, 1, 2]
            cost: {drift: {env_steps_per_s: 200, memory_mib: 60, disk_mib: 7}}
          paper: {env_steps: 1000, seeds: [0, 1, 2, 3, 4]}
        cost:
          random_walk: {env_steps_per_s: 100, memory_mib: 100}
          drift: {env_steps_per_s: 50, fixed_s: 2, memory_mib: 200}
          drift@slow: {env_steps_per_s: 5, memory_mib: 300}
    claims:
      - id: choosy
        statement: choosing steps beats drifting
        source: nowhere
        tasks: [line]
        better: random_walk
        worse: drift
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with reproduce.yaml and the toy paper set up; the toy runs in this interpreter."""
    (tmp_path / "reproduce.yaml").write_text(REPRODUCE)
    project = tmp_path / "papers/toy"
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{TESTS}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for name in ("requirements-cpu.txt", "requirements-gpu.txt", "pyproject.toml", "poetry.lock"):
        (project / name).write_text("")
    (project / ".venv/.ready").write_text(
        venvs.fingerprint(project, venvs.requirements(project, venvs.detect_device()))
    )
    return tmp_path


Mirl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mirl(root: Path) -> Mirl:
    """The real command line, in that repository."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mirl.suite.cli", *words],
            cwd=root, capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
        )  # fmt: skip

    return run


@pytest.fixture
def mirl_here(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mirl:
    """The same command line in this process: a start of Python for each of many commands would take minutes."""
    monkeypatch.chdir(root)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = typer.main.get_command(cli.app)
        code = cli.guarded(lambda: command.main(list(words), prog_name="mirl", standalone_mode=False))
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run
