"""Killing and comparing, on the toy paper."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mirl.suite import experiments as registry
from mirl.suite import soak
from mirl.suite.selection import RunSpec


def test_runs_that_are_killed_at_random_moments_end_with_the_rows_of_one_that_never_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (root / "reproduce.yaml").write_text(
        (root / "reproduce.yaml").read_text().replace("tiny: {", "tiny: {overrides: {seconds_per_step: 0.002}, ")
    )
    experiments = registry.load(root / "reproduce.yaml")
    started: dict[str, str] = {}  # folder: command

    def popen(command: list[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        folder = command[command.index("--run-dir") + 1]
        started[Path(folder).name.partition("-")[0]] = " ".join(command)
        return start(command, **kwargs)

    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    [figures] = soak.soak(root, experiments, ["toy"], tmp_path / "soak", minutes=0.5, jobs=1, seed=0)
    assert figures.fault == ""
    assert figures.kills > 0
    assert figures.continued > 0
    assert "--save-every 1" in started["killed"]
    assert "--save-every" not in started["whole"]
    assert figures.seconds < 60
    assert bool(figures.rows) == bool(figures.compared)


def test_one_other_digit_is_found(root: Path, tmp_path: Path):
    spec = RunSpec(budget="tiny", paper="toy", task="line", method="drift", seed=0)
    for name, value in (("whole", "1.5"), ("killed", "1.25")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(f"env_step,wall_s,name,value\n20,0.1,train/return,{value}\n")
        (tmp_path / name / "episodes.csv").write_text("")
        (tmp_path / name / "manifest.json").write_text('{"status": "finished"}')
    found = r"differs in row 1: 20,train/return,1\.25, uninterrupted 20,train/return,1\.5"
    with pytest.raises(soak.SoakError, match=found):
        soak.refuse_other_rows(spec, tmp_path / "killed", tmp_path / "whole")
    (tmp_path / "killed/manifest.json").unlink()
    with pytest.raises(soak.SoakError, match="did not end after its kills"):
        soak.refuse_other_rows(spec, tmp_path / "killed", tmp_path / "whole")


def test_moments_are_the_same_for_the_same_seed():
    one, other = (soak.lives(random.Random("toy 0"), 10.0) for _ in range(2))
    first = [next(one) for _ in range(5)]
    assert first == [next(other) for _ in range(5)]
    assert all(0 <= life < 10 for life in first)
