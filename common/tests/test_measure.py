"""Timing for `bench`."""

from __future__ import annotations

import time
from functools import partial

from mirl.measure import calibrate, measure, peak_memory_mib


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
