from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from on_disk import registered, write_run
from rich.console import Console
from scipy import stats

from mirl.config import ConfigError
from mirl.suite.records import Band, FirstValue
from mirl.suite.selection import RunSpec
from mirl.verdict import bands
from mirl.verdict.bands import update
from mirl.verdict.regression import (
    ALPHA,
    FIRST_FLOOR,
    FIRST_TOLERANCE,
    Measurement,
    judge,
    measure,
    prediction_interval,
    record,
)

LOCK = "a" * 64
EXPERIMENTS = registered()


def specs(method: str = "ours", seeds: int = 5) -> list[RunSpec]:
    return [RunSpec(budget="tiny", paper="toy", task="line", method=method, seed=seed) for seed in range(seeds)]


def write_tiny(root: Path, values: list[float], method: str = "ours") -> None:
    for seed, value in enumerate(values):
        metrics = {"eval/return": [0.0, value], "loss/value": [9.0, 0.25], "train/return": [10 * value, 7.0]}
        write_run(root, f"tiny/toy/line/{method}/seed{seed}", metrics)


def measured(value: float | None, seed: int = 7, metric: str = "eval/return") -> Measurement:
    return Measurement("line", "ours", seed, metric, "finished", value)


def measured_first(value: float | None, seed: int = 7) -> Measurement:
    return Measurement("line", "ours", seed, "train/return", "finished", value, when="first")


def first(value: float, seed: int = 7) -> FirstValue:
    cells: dict[str, object] = {
        "task": "line", "method": "ours", "seed": seed, "metric": "train/return", "value": value,
        "tolerance": FIRST_TOLERANCE, "lock_sha256": LOCK, "recorded": "2026-01-01", "why": "first",
    }  # fmt: skip
    return FirstValue.model_validate(cells)


def band(**changes: object) -> Band:
    low, high = prediction_interval(10.0, 1.0, 5)
    cells: dict[str, object] = {
        "task": "line", "method": "ours", "metric": "eval/return", "n": 5, "mean": 10.0, "sd": 1.0, "low": low,
        "high": high, "alpha": ALPHA, "lock_sha256": LOCK, "recorded": "2026-01-01", "why": "first",
    }  # fmt: skip
    return Band.model_validate({**cells, **changes})


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("alpha", [0.05, ALPHA])
def test_an_unchanged_program_falls_outside_at_the_nominal_rate(n: int, alpha: float) -> None:
    repetitions = 400_000
    generator = np.random.default_rng(n)
    recorded = generator.normal(3.0, 2.0, (repetitions, n))
    new = generator.normal(3.0, 2.0, repetitions)
    # The width for mean 0 and sd 1 scales with sd: this is prediction_interval, vectorised.
    half = prediction_interval(0.0, 1.0, n, alpha)[1] * recorded.std(axis=1, ddof=1)
    rate = float(np.mean(np.abs(new - recorded.mean(axis=1)) > half))
    assert rate == pytest.approx(alpha, abs=4 * math.sqrt(alpha / repetitions))


def test_the_interval_is_the_textbook_prediction_interval() -> None:
    low, high = prediction_interval(10.0, 2.0, 5, 0.05)
    assert high - 10 == pytest.approx(2.776445 * 2 * math.sqrt(6 / 5), rel=1e-6)
    assert low + high == pytest.approx(20)


def test_a_recorded_seed_that_repeats_itself_gives_no_false_alarm() -> None:
    for n in range(5, 13):
        furthest = [0.0] * (n - 1) + [1.0]  # no value lies further from the mean of n, in their sd
        low, high = prediction_interval(1 / n, float(np.std(furthest, ddof=1)), n)
        assert low < 0 < 1 < high


def test_a_constant_metric_gets_the_rounding_tolerance() -> None:
    assert prediction_interval(2.0, 0.0, 5) == pytest.approx((2 - 2e-6, 2 + 2e-6))
    assert prediction_interval(-2.0, 0.0, 5) == pytest.approx((-2 - 2e-6, -2 + 2e-6))
    assert prediction_interval(0.0, 0.0, 5) == (0, 0)


def test_a_changed_program_is_found() -> None:
    half = float(stats.t.ppf(1 - ALPHA / 2, 4)) * math.sqrt(1.2)
    inside, outside = judge([measured(10 + 0.99 * half), measured(10 - 1.01 * half)], [band()])
    assert inside.finding == "within"
    assert outside.finding == "outside"
    assert "sd from the recorded mean" in outside.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_value_that_is_no_number_is_outside(value: float | None) -> None:
    assert judge([measured(value)], [band()])[0].finding == "outside"


@pytest.mark.parametrize(
    ("recorded", "value"), [(4.0, 4.0039), (-4.0, -3.9961), (0.0, 0.0), (0.0, 0.0009 * FIRST_FLOOR)]
)
def test_a_first_value_repeats_up_to_rounding(recorded: float, value: float) -> None:
    assert judge([measured_first(value)], [], [first(recorded)])[0].finding == "within"


@pytest.mark.parametrize(
    ("recorded", "value", "reason"),
    [
        (4.0, 4.08, "2.00% from what seed 7 recorded first"),
        (-4.0, 4.0, "200.00% from what seed 7 recorded first"),
        (0.0, 1e-6, "recorded was 0"),
        (4.0, float("nan"), "recorded was 4"),
        (4.0, None, ""),
    ],
)
def test_a_changed_first_value_is_outside_with_the_reason(recorded: float, value: float | None, reason: str) -> None:
    (judged,) = judge([measured_first(value)], [], [first(recorded)])
    assert (judged.finding, judged.reason) == ("outside", reason)


def test_a_first_value_is_held_against_its_own_seed() -> None:
    recorded = [first(4.0, seed=0), first(5.0, seed=1)]
    judged = judge([measured_first(4.0, 0), measured_first(4.0, 1), measured_first(4.0, 2)], [], recorded)
    assert [one.finding for one in judged] == ["within", "outside", "no band"]


def test_without_a_band_or_a_finished_run_nothing_is_judged() -> None:
    unfinished = Measurement("line", "ours", 0, "eval/return", "failed", fault="failed: loss/value became nan")
    assert judge([measured(1.0, metric="loss/other")], [band()])[0].finding == "no band"
    assert judge([unfinished], [band()])[0].finding == "not run"
    assert judge([unfinished], [band()])[0].reason == "failed: loss/value became nan"


def test_recorded_runs_are_within_their_own_band(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0])
    measurements = measure(tmp_path, EXPERIMENTS, specs())
    update(tmp_path, "toy", measurements, LOCK, "first record")
    recorded = bands.read_bands(tmp_path, "toy")
    assert [(one.metric, one.n, one.mean) for one in recorded] == [("eval/return", 5, 3.0), ("loss/value", 5, 0.25)]
    assert {one.finding for one in judge(measurements, recorded, bands.read_first_values(tmp_path, "toy"))} == {
        "within"
    }


def test_first_values_are_recorded_a_seed(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0])
    update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs()), LOCK, "first record")
    recorded = bands.read_first_values(tmp_path, "toy")
    assert [(one.metric, one.seed, one.value) for one in recorded] == [
        ("train/return", seed, 10.0 * (seed + 1)) for seed in range(5)
    ]
    assert {one.tolerance for one in recorded} == {FIRST_TOLERANCE}


def test_an_update_keeps_the_rows_of_others(tmp_path: Path) -> None:
    for method in ("ours", "theirs"):
        write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0], method)
        update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs(method)), LOCK, f"record {method}")
    assert {one.method for one in bands.read_bands(tmp_path, "toy")} == {"ours", "theirs"}
    update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs()), "b" * 64, "again")
    assert {one.why for one in bands.read_first_values(tmp_path, "toy")} == {"again"}
    recorded = bands.read_bands(tmp_path, "toy")
    assert [(one.method, one.metric, one.why, one.lock_sha256[0]) for one in recorded] == [
        ("ours", "eval/return", "again", "b"), ("ours", "loss/value", "again", "b"),
        ("theirs", "eval/return", "record theirs", "a"),
    ]  # fmt: skip


def test_four_seeds_make_no_band_and_change_nothing(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ConfigError, match="from 4 seeds; at least 5"):
        update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs(seeds=4)), LOCK, "why not")
    assert not bands.bands_path(tmp_path, "toy").parent.exists()


def test_the_same_seed_five_times_is_one_seed() -> None:
    with pytest.raises(ConfigError, match="from one seed"):
        record([measured(1.0)] * 5, LOCK, "a trick")


def test_an_unfinished_run_makes_no_band(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ConfigError, match="line/ours/seed4: not run"):
        record(measure(tmp_path, EXPERIMENTS, specs()), LOCK, "first record")


def test_a_band_needs_a_reason() -> None:
    with pytest.raises(ConfigError, match="--why"):
        record([measured(1.0)], LOCK, "  ")


def test_the_table_says_what_is_judged_and_how_often_it_is_wrong() -> None:
    measurements = [*(measured(10.5, seed) for seed in range(3)), measured(99.0, 3), measured_first(4.3)]
    judged = judge(measurements, [band()], [first(4.3004)])
    console = Console(width=100, file=io.StringIO(), highlight=False)
    console.print(bands.render(judged, lock_sha256="b" * 64))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    assert "mean ∓ t(n-1, 1-α/2) · sd · √(1 + 1/n)" in flat
    assert "4 last values judged:" in flat
    assert "an unchanged program has one outside in at most 4.00% of such tables" in flat
    assert "train/return (first) 7 4.300 4.300 ± 0.004 – within" in flat
    assert "recorded with another lock" in flat
    assert "89.0 sd from the recorded mean" in flat
