from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mirl.suite import experiments as registry
from mirl.suite import plan


@pytest.fixture
def experiments(root: Path) -> registry.Experiments:
    return registry.load(root / "reproduce.yaml")


def estimates_of(root: Path, experiments: registry.Experiments, *selection: str) -> list[plan.Estimate]:
    return [plan.estimate(root, experiments, spec) for spec in registry.select(experiments, *selection)]


def test_without_runs_of_our_own_the_registered_cost_counts(root: Path, experiments: registry.Experiments):
    first = estimates_of(root, experiments, "paper", "toy", "line", "drift")[0]
    assert first.wall_s == pytest.approx(1000 / 50 + 2)
    assert first.basis == "registered cost"


def test_runs_finished_here_replace_the_registered_cost(root: Path, experiments: registry.Experiments):
    for seed, wall_s in enumerate((10.0, 30.0, 20.0)):
        folder = root / f"results/runs/paper/toy/line/drift/seed{seed}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"wall_s": wall_s}))
    estimates = estimates_of(root, experiments, "paper", "toy", "line", "drift")
    assert estimates[0].wall_s == 20.0
    assert [one.finished for one in estimates] == [True, True, True, False, False]
    assert plan.total_wall_s(estimates, jobs=2) == 20.0


def test_the_total_fills_the_lanes_longest_first(root: Path, experiments: registry.Experiments):
    estimates = estimates_of(root, experiments, "tiny", "toy")  # 2 s, 2 s, 6 s, 6 s
    assert plan.total_wall_s(estimates, jobs=1) == pytest.approx(16.0)
    assert plan.total_wall_s(estimates, jobs=2) == pytest.approx(8.0)


def test_the_plan_shows_a_line_a_method(root: Path, experiments: registry.Experiments):
    console = Console(width=120, file=io.StringIO())
    console.print(plan.render(estimates_of(root, experiments, "tiny", "toy")))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("line") == 2
    assert "0, 1" in text
