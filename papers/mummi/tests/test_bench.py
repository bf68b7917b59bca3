"""Bench measures what it says; how fast this machine is, no test asserts."""

from __future__ import annotations

import json

import pytest

from mummi.__main__ import command_line


@pytest.mark.slow
def test_bench_tells_every_method_and_its_twin(capsys: pytest.CaptureFixture[str]):
    assert command_line(["bench", "--task", "walker_walk", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in content["rows"]]
    for method in ("mummi", "cvrl", "dreamer"):
        assert sum(name.startswith(f"{method}:") for name in names) == 7
    assert all(row["value"] > 0 for row in content["rows"])
    assert sum("ratio_to_plain" in row for row in content["rows"]) == 4
    assert {"matrix_product_gflop_per_s", "memory_copy_gb_per_s"} <= set(content["calibration"])
