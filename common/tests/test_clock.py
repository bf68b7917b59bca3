"""When something is due, and how far a run is."""

from __future__ import annotations

import io

import pytest

from mirl.clock import Clock, Progress, describe_duration, describe_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_clock_is_due_once_for_every_multiple_that_was_passed() -> None:
    clock = Clock(100)
    assert [step for step in (0, 40, 99, 100, 140, 260, 290, 900, 901) if clock(step)] == [100, 260, 900]


def test_a_clock_of_period_zero_is_always_due() -> None:
    clock = Clock(0)
    assert [clock(step) for step in (0, 0, 7)] == [True, True, True]


def test_a_clock_that_is_made_again_keeps_its_rhythm() -> None:
    first = Clock(100)
    assert first(130)
    again = Clock(100, first.last)
    assert [again(step) for step in (130, 199, 200)] == [False, False, True]


def test_a_negative_period_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        Clock(-1)


def test_progress_tells_the_first_step_and_the_end_once_in_plain_lines() -> None:
    stream = io.StringIO()
    progress = Progress("toy/line", 1000, stream=stream)
    for env_step in (10, 20, 500, 1000, 1000):
        progress(env_step, "train/return -2")
    progress.close()
    first, last = stream.getvalue().splitlines()
    assert first.startswith("toy/line  10 / 1,000 env steps  1.0 %")
    assert last.startswith("toy/line  1,000 / 1,000 env steps  100.0 %")
    assert last.endswith("train/return -2")


def test_progress_stays_on_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    progress = Progress("toy/line", 1000, stream=stream)
    progress.period_s = 0.0
    for env_step in (10, 20, 500):
        progress(env_step, "train/return -2.123456789 and more of it")
    shown = stream.getvalue().split("\r\x1b[K")
    assert "\n" not in stream.getvalue()
    assert len(shown) == 4
    assert all(len(line) < 40 for line in shown)
    progress.close()
    assert stream.getvalue().endswith("…\r\n")


def test_speed_counts_this_attempt_alone() -> None:
    progress = Progress("toy", 2000, start=1000, stream=io.StringIO())
    progress.began -= 10.0
    progress(1500)
    assert progress.env_steps_per_s == pytest.approx(50.0, rel=0.01)


def test_progress_is_described_with_speed_and_time_left() -> None:
    assert (
        describe_progress(480_000, 4_120_000, 40_000)
        == "480,000 / 4,120,000 env steps  11.7 %  40,000/s  eta 1 min 31 s"
    )
    assert describe_progress(0, 100, 0.0) == "0 / 100 env steps  0.0 %  0/s"
    assert describe_progress(120, 100, 10.0) == "120 / 100 env steps  100.0 %  10/s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min 00 s"),
        (91, "1 min 31 s"),
        (11_100, "3 h 05 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words
