"""Timing for `bench`."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mirl.measure import calibrate, measure, peak_memory_mib, plain_twins


def test_the_first_call_is_not_counted() -> None:
    pauses = iter([0.2])
    assert measure(lambda: time.sleep(next(pauses, 0.001)), least_s=0.02) < 0.1


def pause(calls: list[int]) -> None:
    calls.append(1)
    time.sleep(0.005)


def test_calls_go_on_until_time_and_number_are_spent() -> None:
    calls: list[int] = []
    measure(lambda: calls.append(1), least_s=0.0, least_calls=7)
    assert len(calls) == 8
    calls.clear()
    measure(partial(pause, calls), least_s=0.05, least_calls=1)
    assert len(calls) > 5


def test_the_machine_is_measured_in_positive_numbers() -> None:
    assert all(value > 0 for value in calibrate().values())


def test_peak_memory_is_what_a_python_with_numpy_needs_at_least() -> None:
    assert 10 < peak_memory_mib() < 100_000


def test_plain_twins_are_found_where_the_tests_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain_twins(tmp_path) is None
    plain = tmp_path / "tests/plain"
    plain.mkdir(parents=True)
    (plain / "__init__.py").write_text("")
    (plain / "update.py").write_text("speed = 'slow'")
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("plain", "plain.update"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    try:
        twins = plain_twins(tmp_path, "update")
        assert twins is not None
        assert twins.update.speed == "slow"
        assert sys.path[0] == str(tmp_path / "tests")
    finally:
        for name in ("plain", "plain.update"):
            sys.modules.pop(name, None)
