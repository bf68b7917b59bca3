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
from mirl.suite.experiments import RunSpec
from mirl.suite.records import Band
from mirl.verdict import regression
from mirl.verdict.regression import ALPHA, Measurement, judge, measure, prediction_interval, record, update

LOCK = "a" * 64
EXPERIMENTS = registered()


def specs(method: str = "ours", seeds: int = 5) -> list[RunSpec]:
    return [RunSpec(budget="tiny", paper="toy", task="line", method=method, seed=seed) for seed in range(seeds)]


def write_tiny(root: Path, values: list[float], method: str = "ours") -> None:
    for seed, value in enumerate(values):
        metrics = {"eval/return": [0.0, value], "loss/value": [9.0, 0.25]}
        write_run(root, f"tiny/toy/line/{method}/seed{seed}", metrics)


def measured(value: float | None, seed: int = 7, metric: str = "eval/return") -> Measurement:
    return Measurement("line", "ours", seed, metric, "finished", value)


def band(**changes: object) -> Band:
    low, high = prediction_interval(10.0, 1.0, 5)
    cells: dict[str, object] = {
        "task": "line", "method": "ours", "metric": "eval/return", "n": 5, "mean": 10.0, "sd": 1.0, "low": low,
        "high": high, "alpha": ALPHA, "lock_sha256": LOCK, "recorded": "2026-01-01", "why": "first",
    }  # fmt: skip
    return Band.model_validate({**cells, **changes})


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
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


def test_without_a_band_or_a_finished_run_nothing_is_judged() -> None:
    unfinished = Measurement("line", "ours", 0, "eval/return", "failed", fault="failed: loss/value became nan")
    assert judge([measured(1.0, metric="loss/other")], [band()])[0].finding == "no band"
    assert judge([unfinished], [band()])[0].finding == "not run"
    assert judge([unfinished], [band()])[0].reason == "failed: loss/value became nan"


def test_recorded_runs_are_within_their_own_band(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0])
    measurements = measure(tmp_path, EXPERIMENTS, specs())
    update(tmp_path, "toy", measurements, LOCK, "first record")
    bands = regression.read_bands(tmp_path, "toy")
    assert [(one.metric, one.n, one.mean) for one in bands] == [("eval/return", 5, 3.0), ("loss/value", 5, 0.25)]
    assert {one.finding for one in judge(measurements, bands)} == {"within"}


def test_an_update_keeps_the_rows_of_others(tmp_path: Path) -> None:
    for method in ("ours", "theirs"):
        write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0], method)
        update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs(method)), LOCK, f"record {method}")
    assert {one.method for one in regression.read_bands(tmp_path, "toy")} == {"ours", "theirs"}
    update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs()), "b" * 64, "again")
    bands = regression.read_bands(tmp_path, "toy")
    assert [(one.method, one.metric, one.why, one.lock_sha256[0]) for one in bands] == [
        ("ours", "eval/return", "again", "b"), ("ours", "loss/value", "again", "b"),
        ("theirs", "eval/return", "record theirs", "a"),
    ]  # fmt: skip


def test_four_seeds_make_no_band_and_change_nothing(tmp_path: Path) -> None:
    write_tiny(tmp_path, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ConfigError, match="from 4 seeds; at least 5"):
        update(tmp_path, "toy", measure(tmp_path, EXPERIMENTS, specs(seeds=4)), LOCK, "why not")
    assert not regression.bands_path(tmp_path, "toy").exists()


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


def test_the_table_says_what_a_band_is_and_how_often_it_is_wrong() -> None:
    judged = judge([measured(10.5, seed) for seed in range(3)] + [measured(99.0, 3)], [band()])
    console = Console(width=100, file=io.StringIO(), highlight=False)
    console.print(regression.render(judged, lock_sha256="b" * 64))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    assert "mean ∓ t(n-1, 1-α/2) · sd · √(1 + 1/n)" in flat
    assert "4 values judged: an unchanged program has one outside in at most 0.40% of such tables" in flat
    assert "recorded with another lock" in flat
    assert "89.0 sd from the recorded mean" in flat
