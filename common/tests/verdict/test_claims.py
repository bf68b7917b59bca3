from __future__ import annotations

import pytest
from on_disk import claim, registered, task

from mirl.verdict.claims import ClaimRow, judge_claims, least_p
from mirl.verdict.judgement import Seeds

HIGH, LOW = [10.0, 11.0, 12.0, 13.0, 14.0], [1.0, 2.0, 3.0, 4.0, 5.0]


def seeds(values: list[float]) -> Seeds:
    return Seeds(dict(enumerate(values)))


def judged(ours: list[float], theirs: list[float], budget: str = "paper", **changes: object) -> ClaimRow:
    experiments = registered({"line": task(**changes)}, [claim()])
    found = {("line", "", "ours"): seeds(ours), ("line", "", "theirs"): seeds(theirs)}
    return judge_claims(experiments.papers["toy"], budget, found)[0]


def test_a_clear_claim_holds() -> None:
    row = judged(HIGH, LOW)
    assert (row.verdict, row.probability, row.n) == ("holds", 1.0, 5)
    assert row.interval == (1.0, 1.0)
    assert row.p == pytest.approx(2 / 252, abs=0.003)


def test_the_opposite_of_a_claim_makes_it_fail() -> None:
    assert judged(LOW, HIGH).verdict == "fails"


def test_lower_is_better_turns_the_claim_round() -> None:
    metric = {"name": "eval/return", "unit": "points", "higher_is_better": False}
    assert judged(LOW, HIGH, metric=metric).verdict == "holds"


def test_overlapping_seeds_decide_nothing() -> None:
    row = judged([1.0, 3.0, 5.0, 7.0, 9.0], [2.0, 4.0, 6.0, 8.0, 0.0])
    assert row.verdict == "inconclusive"
    assert "probability 0." in row.reason


def test_four_seeds_carry_no_claim() -> None:
    row = judged(HIGH, LOW[:4])
    assert (row.verdict, row.p) == ("inconclusive", None)
    assert "theirs on line has n = 4" in row.reason


def test_an_unfinished_method_leaves_the_claim_not_run() -> None:
    row = judged(HIGH, [])
    assert row.verdict == "not run"
    assert "no finished run of theirs on line" in row.reason


def test_a_failed_seed_stops_the_claim() -> None:
    experiments = registered(claims=[claim()])
    found = {("line", "", "ours"): Seeds(dict(enumerate(HIGH)), {5: "failed"}), ("line", "", "theirs"): seeds(LOW)}
    row = judge_claims(experiments.papers["toy"], "paper", found)[0]
    assert row.verdict == "inconclusive"
    assert "seed 5 failed" in row.reason


@pytest.mark.parametrize("budget", ["tiny", "workstation"])
def test_a_smaller_budget_carries_no_claim(budget: str) -> None:
    row = judged(HIGH, LOW, budget)
    assert (row.verdict, row.p) == ("inconclusive", None)


def test_claims_are_corrected_for_their_number() -> None:
    names = [f"task{number}" for number in range(8)]
    claims = [claim(id=f"claim-{name}", tasks=[name]) for name in names]
    experiments = registered(dict.fromkeys(names, task()), claims)
    found = {
        (name, "", method): seeds(values) for name in names for method, values in (("ours", HIGH), ("theirs", LOW))
    }
    rows = judge_claims(experiments.papers["toy"], "paper", found)
    assert {row.verdict for row in rows} == {"inconclusive"}
    assert all(row.p is not None and row.p < 0.05 for row in rows)
    assert "corrected for 8 claims" in rows[0].reason


def test_a_claim_over_tasks_keeps_them_apart() -> None:
    """Each task is clear at its own scale; thrown together the large one would hide the small one."""
    experiments = registered({"small": task(), "large": task()}, [claim(tasks=["small", "large"])])
    found = {
        ("small", "", "ours"): seeds(HIGH),
        ("small", "", "theirs"): seeds(LOW),
        ("large", "", "ours"): seeds([1000 * value for value in HIGH]),
        ("large", "", "theirs"): seeds([1000 * value for value in LOW]),
    }
    row = judge_claims(experiments.papers["toy"], "paper", found)[0]
    assert (row.verdict, row.probability) == ("holds", 1.0)
    assert row.p is not None
    assert row.p < 0.001


def test_the_family_is_what_is_registered_and_leaving_runs_out_makes_no_claim_hold() -> None:
    names = [f"task{number}" for number in range(7)]
    experiments = registered(dict.fromkeys(names, task()), [claim(id=f"claim-{name}", tasks=[name]) for name in names])
    run = {(name, "", method): seeds(values) for name in names for method, values in (("ours", HIGH), ("theirs", LOW))}
    entry = experiments.papers["toy"]
    alone = {key: one if key[0] == "task0" else Seeds() for key, one in run.items()}
    for found in (run, alone):
        row = judge_claims(entry, "paper", found)[0]
        assert (row.verdict, row.p_holm) == ("inconclusive", pytest.approx(7 * 2 / 252))
        assert "corrected for 7 claims" in row.reason
    assert least_p(entry.claims[0], entry) == pytest.approx(7 * 2 / 252)
