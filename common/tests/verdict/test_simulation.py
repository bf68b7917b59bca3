"""Error rates where the truth is known; the whole of `mirl simulate` is the slow test."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from mirl.suite.records import Reference
from mirl.verdict import coverage, judgement, simulation
from mirl.verdict.simulation import Law, Truth, claim_truths, draw, simulate, simulate_claims, truths, welch_size
from mirl.verdict.statistics import Summary

PROMISED = [truth for truth in truths() if truth.is_promised and truth.sd != 3.0]


@pytest.mark.parametrize("truth", PROMISED, ids=lambda truth: f"{truth.name}, {truth.sd:g}, {truth.reference_sd:g}")
def test_verdicts_keep_their_error_rates(truth: Truth) -> None:
    assert simulate(truth, seed=1, repetitions=150).keeps_level


def test_a_true_equivalence_and_a_true_difference_are_found_where_seeds_are_many_enough() -> None:
    assert simulate(Truth("equal", 0.0, (), 0.05, 0.3, 0.3), 0, 100).shares == {"equivalent": 1.0}
    assert simulate(Truth("better", 3.0, (), 0.05, 0.5, 0.5), 0, 100).shares == {"better": 1.0}
    assert simulate(Truth("worse", -3.0, (), 0.05, 0.5, 0.5), 0, 100).shares == {"worse": 1.0}


@pytest.mark.parametrize("side", ["n", "reference_n"])
def test_too_few_seeds_on_either_side_decide_nothing(side: str) -> None:
    for count in (1, 2, 4) if side == "n" else (2, 4):
        truth = Truth("far apart", 50.0, simulation.DECIDED, 0.0, **{side: count})  # type: ignore[arg-type]
        assert simulate(truth, 0, 100).shares == {"inconclusive": 1.0}


def test_a_rule_that_takes_the_missing_of_a_difference_for_equivalence_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absence_of_evidence(ours: Summary, printed: Summary, margin: float) -> float:
        return 0.0 if judgement.welch_p(ours, printed) > 0.05 else 1.0

    monkeypatch.setattr(judgement, "equivalence_p", absence_of_evidence)
    rates = simulate(Truth("better by the margin", 1.0, ("equivalent",), 0.05), 0, 300)
    assert not rates.keeps_level


def test_two_seeds_of_theirs_would_break_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why a reported number of fewer than five seeds is not tested against."""

    def whatever_n(reference: Reference) -> Summary:
        assert reference.spread is not None
        assert reference.n is not None
        return Summary(reference.value, reference.spread, reference.n)

    monkeypatch.setattr(judgement, "reported", whatever_n)
    truth = Truth("equal", 0.0, ("better", "worse"), 0.05, sd=1.0, reference_sd=3.0, reference_n=2)
    rates = simulate(truth, 0, 1000)
    assert not rates.keeps_level
    assert welch_size(5, 2)[0] > 0.09
    assert max(welch_size(5, 5)) < 0.06


def test_seeds_that_all_succeed_on_both_sides_prove_no_equivalence() -> None:
    """Nine in ten succeed here, three in four there: in one paper of seven no seed of either fails."""
    truth = Truth("a success more in ten", 1.5, ("equivalent",), 0.05, 3.0, 4.3, law="all or nothing")
    rates = simulate(truth, 0, 400)
    assert rates.error == 0
    assert rates.shares["inconclusive"] > 0.9


@pytest.mark.parametrize("law", [*get_args(Law)])
def test_every_law_has_the_mean_and_sd_that_it_says(law: Law) -> None:
    values = draw(np.random.default_rng(0), law, 1.5, 3.0, 100_000)
    assert (np.mean(values), np.std(values)) == pytest.approx((1.5, 3.0), abs=0.05)


def test_false_claims_hold_in_at_most_one_paper_of_twenty() -> None:
    for truth in (one for one in claim_truths() if one.tasks == 1):
        assert simulate_claims(truth, 2, 300).keeps_level, truth.name


def test_the_same_seed_gives_the_same_rates() -> None:
    truth = PROMISED[4]
    assert simulate(truth, 5, 50) == simulate(truth, 5, 50)
    assert simulate(truth, 5, 50) != simulate(truth, 6, 50)


@pytest.mark.slow
def test_every_promise_is_kept_in_a_thousand_experiments_each() -> None:
    rates = simulation.run_all(1000)
    assert not simulation.exceeding(rates), [(one.truth, one.error) for one in simulation.exceeding(rates)]
    assert len(rates) > 30
    covered = list(coverage.run_all(1000))
    assert not coverage.exceeding(covered)


def test_intervals_of_normal_seeds_hold_the_truth_as_often_as_promised() -> None:
    for n in (3, 5, 10):
        assert coverage.simulate("normal", n, seed=1, repetitions=1500).is_kept


def test_a_percentile_bootstrap_would_break_that_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)

    def percentiles(values: list[float]) -> tuple[float, float]:
        means = generator.choice(values, (300, len(values))).mean(axis=1)
        return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))

    monkeypatch.setattr(coverage, "mean_interval", percentiles)
    assert not coverage.simulate("normal", 5, seed=1, repetitions=600).is_kept


def test_without_the_least_spread_failing_seeds_would_pass_for_equivalent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that asks for it, and what it saves: five seeds that all succeed against some that fail."""
    truth = Truth("better by the margin", 1.0, ("equivalent",), 0.1, 0.3, 0.9, law="one in five fails, the others vary")
    assert simulate(truth, 0, 400).keeps_level
    monkeypatch.setattr(judgement, "SPREAD_FLOOR", 0.0)
    assert simulate(truth, 0, 400).error > 0.25


@pytest.mark.parametrize(("sd", "reference_sd"), [(0.3, 0.3), (0.6, 0.6), (0.3, 0.9)])
def test_it_costs_normal_seeds_less_than_a_tenth_of_their_power(
    monkeypatch: pytest.MonkeyPatch, sd: float, reference_sd: float
) -> None:
    truth = Truth("equal", 0.0, (), 0.05, sd, reference_sd)
    kept = simulate(truth, 0, 4000).shares["equivalent"]
    monkeypatch.setattr(judgement, "SPREAD_FLOOR", 0.0)
    assert kept >= 0.9 * simulate(truth, 0, 4000).shares["equivalent"]
