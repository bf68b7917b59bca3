from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from mirl.suite import experiments as registry
from mirl.suite import plan
from mirl.suite.selection import RunSpec, select
from toy.whole import write_manifest


@pytest.fixture
def experiments(root: Path) -> registry.Experiments:
    return registry.load(root / "reproduce.yaml")


def estimates_of(root: Path, experiments: registry.Experiments, *selection: str) -> list[plan.Estimate]:
    return list(plan.estimate_all(root, experiments, select(experiments, *selection)))


def finish(root: Path, spec: str, wall_s: float, size: int = 0) -> None:
    folder = root / f"results/runs/{spec}"
    folder.mkdir(parents=True)
    write_manifest(folder, RunSpec.parse(spec), {}, wall_s=wall_s)
    (folder / "replay").mkdir()
    (folder / "replay/shard").write_bytes(bytes(size))


def test_without_runs_of_our_own_the_registered_cost_counts(root: Path, experiments: registry.Experiments):
    first = estimates_of(root, experiments, "paper", "toy", "line", "drift")[0]
    assert first.wall_s == pytest.approx(1000 / 50 + 2)
    assert first.basis == "registered cost"


def test_a_variant_is_planned_for_the_steps_that_it_asks_for(root: Path, experiments: registry.Experiments):
    usual, short = (
        estimates_of(root, experiments, "paper", "toy", "line", "drift")[0],
        estimates_of(root, experiments, "paper", "toy", "line", "drift@short")[0],
    )
    assert (usual.env_steps, short.env_steps) == (1000, 150)
    assert short.wall_s == pytest.approx(150 / 50 + 2)


def test_a_budget_may_cost_otherwise_than_its_task_says(root: Path, experiments: registry.Experiments):
    first = estimates_of(root, experiments, "workstation", "toy", "line", "drift")[0]
    assert (first.wall_s, first.memory_mib, first.disk_mib) == (pytest.approx(400 / 200), 60, 7)
    assert estimates_of(root, experiments, "workstation", "toy", "line", "random_walk")[0].memory_mib == 100


def test_a_variant_may_cost_otherwise_than_its_method_where_the_budget_says_nothing(
    root: Path, experiments: registry.Experiments
):
    slow = [
        estimates_of(root, experiments, budget, "toy", "line", "drift@slow")[0] for budget in ("paper", "workstation")
    ]
    assert [(one.wall_s, one.memory_mib) for one in slow] == [(pytest.approx(1000 / 5), 300), (pytest.approx(2), 60)]


def test_runs_finished_here_replace_the_registered_cost(root: Path, experiments: registry.Experiments):
    for seed, wall_s in enumerate((10.0, 30.0, 20.0)):
        finish(root, f"paper/toy/line/drift/seed{seed}", wall_s, size=3 * 2**20)
    estimates = estimates_of(root, experiments, "paper", "toy", "line", "drift")
    assert estimates[0].wall_s == 20.0
    assert estimates[0].disk_mib == pytest.approx(3.0, abs=0.01)
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
    assert [line.split()[0] for line in text.splitlines() if "0, 1" in line] == ["random_walk", "drift"]
    assert "0, 1" in text


def test_disk_that_nobody_measured_is_said_to_be_unknown(root: Path, experiments: registry.Experiments):
    unknown = estimates_of(root, experiments, "tiny", "toy", "line", "drift")
    assert plan.describe_disk(unknown) == "not measured"
    finish(root, "tiny/toy/line/random_walk/seed0", 1.0, size=2**30)
    both = estimates_of(root, experiments, "tiny", "toy")
    assert plan.describe_disk(both) == "at least 2.0 GiB"
    assert plan.describe_disk([]) == "0 MiB"


def test_the_summary_tells_cores_memory_and_disk_of_what_is_left(root: Path, experiments: registry.Experiments):
    finish(root, "tiny/toy/line/random_walk/seed0", 3600.0, size=2**20)
    estimates = estimates_of(root, experiments, "tiny", "toy")  # an hour, 6 s and 6 s are left
    said = plan.summary(root, estimates, jobs=2)
    assert said.startswith("3 of 4 runs to do, 2 at a time: about 1 h")
    assert "1.0 core hours, 400 MiB of memory" in said
    assert said.endswith("disk: at least 1 MiB")


def test_a_disk_that_is_too_small_is_said(
    root: Path, experiments: registry.Experiments, monkeypatch: pytest.MonkeyPatch
):
    finish(root, "tiny/toy/line/drift/seed0", 1.0, size=2**21)
    monkeypatch.setattr(plan, "free_mib", lambda root: 1.0)
    said = plan.summary(root, estimates_of(root, experiments, "tiny", "toy", "line", "drift"), jobs=1)
    assert said.endswith("disk: 2 MiB, more than the 1 MiB free here")


def test_several_papers_get_a_line_each_and_one_for_all(root: Path, experiments: registry.Experiments):
    two = experiments.model_copy(
        update={"papers": {"toy": experiments.papers["toy"], "tot": experiments.papers["toy"]}}
    )
    estimates = estimates_of(root, two, "tiny")
    console = Console(width=120, file=io.StringIO())
    console.print(plan.totals(estimates))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[:2] for line in lines[-3:]] == [["toy", "4"], ["tot", "4"], ["all", "8"]]


def test_gpus_bound_how_many_runs_there_are_at_a_time(
    experiments: registry.Experiments, monkeypatch: pytest.MonkeyPatch
):
    specs = [RunSpec(budget="tiny", paper="toy", task="line", method="drift", seed=0)]
    monkeypatch.setattr(plan.host, "usable_cores", lambda: 16.0)
    monkeypatch.setattr(plan.gpus, "count", lambda: 2)
    assert plan.default_jobs(experiments, specs) == 2
    assert plan.default_jobs(experiments, specs, runs_a_gpu=3) == 6
    monkeypatch.setattr(plan.gpus, "count", lambda: 0)
    assert plan.default_jobs(experiments, specs) == 16
