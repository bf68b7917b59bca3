"""Bench measures what it says; how fast this machine is, no test asserts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf
from toy_agents import SMALL

from mirl.measure import measure
from mirl.paper import main
from mummi.__main__ import PAPER
from mummi.bench import bench

METHODS = ("mummi", "cvrl", "dreamer")
LESS: dict[str, Any] = {**SMALL, "batch_size": 2, "horizon": 2, "threads": 1}


def check(rows: list[dict[str, Any]]) -> None:
    """Every figure that is promised is there, and more than nothing."""
    names = [row["name"] for row in rows]
    for method in METHODS:
        assert sum(name.startswith(f"{method}:") for name in names) == 8
    assert all(row["value"] > 0 for row in rows if "tracing" not in row["name"])
    assert sum("ratio_to_plain" in row for row in rows) == 7


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps so few and networks so small are run faster than their graphs are built."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eagerly")
def test_bench_tells_every_method_and_its_twin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mummi.bench.measure", lambda function, **_: measure(function, least_s=0.0, least_calls=1))
    check(bench("walker_walk", LESS))


@pytest.mark.slow
def test_bench_runs_at_the_papers_own_sizes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mummi.bench.THREADS", 1)  # TensorFlow's are fixed once for all tests
    assert main(PAPER, ["bench", "--task", "walker_walk", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    check(content["rows"])
    assert {"matrix_product_gflop_per_s", "memory_copy_gb_per_s"} <= set(content["calibration"])
