from __future__ import annotations

import fcntl
import gzip
import json
import math
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from mirl.config import ConfigError
from mirl.suite import results
from mirl.suite.experiments import Metric
from mirl.suite.manifests import DamagedRunError
from mirl.suite.results import metric_value, read_episodes, read_metrics, read_references, read_state
from mirl.suite.selection import RunSpec
from toy.whole import EPISODES, write_manifest

SPEC = RunSpec(budget="tiny", paper="toy", task="line", method="drift", variant="slow", seed=3)
METRICS = "env_step,wall_s,name,value\n10,0.5,eval/return,1.0\n20,1.0,eval/return,2.0\n20,1.0,loss/value,nan\n"
NOBODY = 2**22 + 1
"""No process has this id: it is beyond the largest."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run.lock").touch()
    return tmp_path


@pytest.fixture
def locked(run: Path) -> Iterator[Path]:
    with (run / "run.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield run


def write_record(run: Path, **changes: object) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"status": "running", "host": socket.gethostname(), "pid": os.getpid(), "updated": now, "attempts": []}
    (run / "run.json").write_text(json.dumps({**record, **changes}))


def test_runs_and_published_runs_lie_in_their_places() -> None:
    root = Path("/r")
    assert results.run_directory(root, SPEC) == root / "results/runs/tiny/toy/line/drift@slow/seed3"
    assert results.published_directory(root, SPEC) == root / "results/published/toy/tiny/line/drift@slow/seed3"


def test_an_absent_or_empty_folder_is_not_run(tmp_path: Path) -> None:
    assert read_state(tmp_path / "nowhere").state == "not run"
    assert read_state(tmp_path).state == "not run"


def test_a_manifest_means_finished_whatever_run_json_says(run: Path) -> None:
    write_record(run)
    write_manifest(run, SPEC, {}, env_steps=5)
    found = read_state(run)
    assert found.state == "finished"
    assert found.manifest["env_steps"] == 5


def test_a_run_whose_lock_is_held_is_running_even_in_another_container(locked: Path) -> None:
    write_record(locked)
    assert read_state(locked).state == "running"
    write_record(locked, host="somewhere-else", pid=NOBODY, updated="2020-01-01T00:00:00+00:00")
    assert read_state(locked).state == "running"


def test_a_run_whose_lock_is_free_was_killed_even_if_its_process_id_lives_on(run: Path) -> None:
    write_record(run)
    found = read_state(run)
    assert found.state == "killed"
    assert "the same command continues" in found.reason


def test_without_a_lock_file_the_process_id_decides(tmp_path: Path) -> None:
    write_record(tmp_path)
    assert read_state(tmp_path).state == "running"
    write_record(tmp_path, pid=NOBODY)
    assert read_state(tmp_path).state == "killed"


def test_on_another_host_the_age_of_the_record_decides(run: Path) -> None:
    write_record(run, host="somewhere-else")
    assert read_state(run).state == "running"
    old = datetime.now(UTC) - timedelta(seconds=results.STALE_AFTER_S + 60)
    write_record(run, host="somewhere-else", updated=old.isoformat())
    assert read_state(run).state == "killed"


def test_reading_a_state_takes_no_lock(run: Path) -> None:
    write_record(run)
    read_state(run)
    with (run / "run.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_run_that_ended_early_says_why(run: Path, status: str) -> None:
    write_record(run, status=status, attempts=[{"reason": "first"}, {"reason": "loss/value became nan"}])
    found = read_state(run)
    assert (found.state, found.reason) == (status, "loss/value became nan")


def test_a_run_that_died_before_its_manifest_is_not_finished(run: Path) -> None:
    write_record(run, status="finished")
    assert read_state(run).state == "killed"


WRONG_TYPES = (
    '{"attempts": [5]}', '{"attempts": [{"reason": 5}]}', '{"env_step": "many"}', '{"env_steps_per_s": NaN}',
    '{"host": 3}', '{"pid": "one"}', '{"total_env_steps": -1}',
)  # fmt: skip


@pytest.mark.parametrize("content", ["{torn", "[]", "\x00", "", "[" * 100_000, "1" * 5000, *WRONG_TYPES])
def test_a_record_that_no_run_writes_is_a_damaged_run_with_a_reason(run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    found = read_state(run)
    assert found.state == "damaged"
    assert found.reason.startswith("run.json ")
    assert "\n" not in found.reason


def test_a_process_id_that_no_process_can_have_is_of_a_dead_one(tmp_path: Path) -> None:
    write_record(tmp_path, pid=2**70)
    assert read_state(tmp_path).state == "killed"


def test_a_damaged_record_of_a_finished_run_takes_nothing_from_it(run: Path) -> None:
    write_manifest(run, SPEC, {})
    (run / "run.json").write_text("{torn")
    assert read_state(run, SPEC).state == "finished"


def test_a_manifest_of_another_run_vouches_for_nothing(run: Path) -> None:
    write_manifest(run, SPEC, {})
    other = SPEC.model_copy(update={"seed": 4})
    assert read_state(run, SPEC).state == "finished"
    found = read_state(run, other)
    assert (found.state, found.reason) == ("damaged", "manifest.json is that of the run toy/line/drift@slow/seed3")


def test_a_table_that_was_changed_after_the_run_is_not_read(run: Path) -> None:
    (run / "metrics.csv").write_text(METRICS)
    write_manifest(run, SPEC, {})
    assert len(read_metrics(run)) == 3
    (run / "metrics.csv").write_text(METRICS.replace("2.0", "9.0"))
    with pytest.raises(DamagedRunError, match=r"metrics\.csv does not have the sha256 that the run's manifest records"):
        read_metrics(run)
    (run / "metrics.csv").unlink()
    with pytest.raises(DamagedRunError, match=r"metrics\.csv is missing"):
        read_metrics(run)


def test_metrics_are_read_from_folder_file_and_archive(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/metrics.csv").write_text(METRICS)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/metrics.csv.gz").write_bytes(gzip.compress(METRICS.encode()))
    write_manifest(tmp_path / "plain", SPEC, {})
    shutil.copy(tmp_path / "plain/manifest.json", tmp_path / "packed")
    (tmp_path / "packed/episodes.csv.gz").write_bytes(gzip.compress(EPISODES.encode()))
    for path in ("plain", "plain/metrics.csv", "packed", "packed/metrics.csv.gz"):
        table = read_metrics(tmp_path / path)
        assert table["env_step"].tolist() == [10, 20, 20]
        assert table["name"].tolist() == ["eval/return", "eval/return", "loss/value"]
        assert table["value"].tolist()[:2] == [1.0, 2.0]
        assert math.isnan(table["value"].iloc[2])


@pytest.mark.parametrize("torn", ["30,1.5,eval/retu", "30,1.5,eval/return,3", "30"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS + torn)
    assert len(read_metrics(tmp_path)) == 3


@pytest.mark.parametrize("content", [None, "", "env_step,wal", "env_step,wall_s,name,value\n"])
def test_a_table_that_has_not_begun_has_columns_and_no_rows(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.csv").write_text(content)
    table = read_metrics(tmp_path)
    assert list(table.columns) == ["env_step", "wall_s", "name", "value"]
    assert len(table) == 0


@pytest.mark.parametrize("content", ["a,b\n1,2\n", METRICS + "x,1.5,eval/return,3\n", METRICS + "1,2,3,4,5\n"])
def test_other_damage_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(ValueError, match=r"metrics\.csv"):
        read_metrics(tmp_path)


def test_episodes_have_their_types(tmp_path: Path) -> None:
    header = "env_step,setting,episode,return,length,success\n"
    (tmp_path / "episodes.csv").write_text(header + "10,test,0,1.5,20,nan\n10,1,1,2.5,21,1\n")
    table = read_episodes(tmp_path)
    assert table["setting"].tolist() == ["test", "1"]
    assert table["length"].tolist() == [20, 21]
    assert math.isnan(table["success"].iloc[0])


def test_the_judged_value_is_the_last_or_a_mean_of_the_last(tmp_path: Path) -> None:
    rows = "".join(f"{step},0.1,eval/return,{step}.0\n" for step in range(1, 6))
    (tmp_path / "metrics.csv").write_text("env_step,wall_s,name,value\n" + rows)
    metrics = read_metrics(tmp_path)
    assert metric_value(metrics, Metric(name="eval/return", unit="points")) == 5
    for points, expected in ((2, 4.5), (5, 3), (9, 3)):
        metric = Metric(name="eval/return", unit="points", window="mean_of_last", points=points)
        assert metric_value(metrics, metric) == expected
    assert metric_value(metrics, Metric(name="eval/other", unit="points")) is None


@pytest.mark.parametrize(("window", "points"), [("last", 1), ("mean_of_last", 3)])
def test_no_other_value_stands_in_for_one_that_is_not_a_number(
    tmp_path: Path, window: Literal["last", "mean_of_last"], points: int
) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS + "30,2.0,eval/return,nan\n")
    metric = Metric(name="eval/return", unit="points", window=window, points=points)
    value = metric_value(read_metrics(tmp_path), metric)
    assert value is not None
    assert math.isnan(value)


def test_a_value_recorded_after_the_step_of_judgement_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS + "30,2.0,eval/return,9.0\n")
    metrics = read_metrics(tmp_path)
    for at, expected in ((10, 1.0), (29, 2.0), (30, 9.0)):
        assert metric_value(metrics, Metric(name="eval/return", unit="points", at_env_step=at)) == expected
    assert metric_value(metrics, Metric(name="eval/return", unit="points", at_env_step=9)) is None


def test_a_seed_is_solved_where_what_is_read_reaches_the_threshold(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    for threshold, expected in ((1.5, 1.0), (2.0, 1.0), (2.1, 0.0)):
        metric = Metric(name="eval/solved", reads="eval/return", solved_at=threshold, unit="share of seeds")
        assert metric_value(read_metrics(tmp_path), metric) == expected
    with pytest.raises(ValueError, match="solved_at and reads go together"):
        Metric(name="eval/solved", solved_at=1.0, unit="share of seeds")


def test_references_are_read_with_their_types(tmp_path: Path) -> None:
    path = results.reference_path(tmp_path, "toy")
    path.parent.mkdir(parents=True)
    header = "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note\n"
    path.write_text(header + 'line,any,,eval/return,,49,,,,points,ceiling,computed,"by hand, twice",\n')
    (one,) = read_references(tmp_path, "toy")
    assert (one.value, one.spread, one.n, one.env_steps, one.source) == (49, None, None, None, "by hand, twice")
    path.write_text(header + "line,any,,eval/return,,49,,,,points,result,computed,by hand,\n")
    with pytest.raises(ConfigError, match="line 2: method any is for ceilings"):
        read_references(tmp_path, "toy")
    assert read_references(tmp_path, "other") == []
