from __future__ import annotations

from typing import Any

import pytest
from on_disk import task

from mirl.suite.experiments import Task
from mirl.suite.records import Reference
from mirl.verdict.judgement import Seeds, decimals, judge

TASK = Task.model_validate(task())
FIVE = {0: 98.0, 1: 101.0, 2: 100.0, 3: 102.0, 4: 99.0}


def reference(**changes: Any) -> Reference:
    cells = {
        "task": "line", "method": "ours", "setting": "", "metric": "eval/return", "env_steps": None, "value": 100.0,
        "spread": 2.0, "spread_kind": "sd", "n": 5, "unit": "points", "role": "result", "provenance": "paper_table",
        "source": "Table 1", "note": "",
    }  # fmt: skip
    return Reference.model_validate({**cells, **changes})


def shifted(by: float) -> Seeds:
    return Seeds({seed: value + by for seed, value in FIVE.items()})


def test_close_means_are_equivalent() -> None:
    judgement = judge(Seeds(FIVE), [reference()], TASK, "paper")
    assert judgement.verdict == "equivalent"
    assert "lies within the margin ±10 (TOST p =" in judgement.reason
    assert judgement.difference == pytest.approx(0)


@pytest.mark.parametrize(("by", "higher_is_better", "verdict"), [
    (30, True, "better"), (-30, True, "worse"), (30, False, "worse"), (-30, False, "better"),
])  # fmt: skip
def test_a_clear_difference_is_named_by_the_metric_s_direction(by: float, higher_is_better: bool, verdict: str) -> None:
    metric = {"name": "eval/return", "unit": "points", "higher_is_better": higher_is_better}
    assert judge(shifted(by), [reference()], Task.model_validate(task(metric=metric)), "paper").verdict == verdict


def test_a_sure_difference_inside_the_margin_is_still_equivalent() -> None:
    assert judge(shifted(5), [reference()], TASK, "paper").verdict == "equivalent"


def test_a_wide_spread_decides_nothing() -> None:
    judgement = judge(Seeds(FIVE), [reference(spread=40.0, value=110.0)], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert "neither within" in judgement.reason


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fewer_than_five_seeds_never_pass(n: int) -> None:
    judgement = judge(Seeds(dict.fromkeys(range(n), 100.0)), [reference(spread=0.0)], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert "at least 5" in judgement.reason


def test_a_failed_seed_is_not_left_out_of_the_mean() -> None:
    seeds = Seeds(FIVE, {5: "failed (loss/value became nan)", 6: "not run", 7: "not run"})
    judgement = judge(seeds, [reference()], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert judgement.reason.endswith("seed 5 failed (loss/value became nan); seeds 6, 7 not run")


def test_a_value_that_is_not_a_number_is_inconclusive() -> None:
    judgement = judge(Seeds({**FIVE, 3: float("nan")}), [reference()], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert "not a finite number for seed 3" in judgement.reason


@pytest.mark.parametrize(("by", "place"), [(0, "lies within"), (30, "lies outside"), (9, "reaches over")])
@pytest.mark.parametrize("gap", [{"spread": None, "spread_kind": ""}, {"n": None}, {"n": 1}, {"n": 4}])
def test_a_mean_without_spread_and_seeds_gives_no_pass(by: float, place: str, gap: dict[str, Any]) -> None:
    judgement = judge(shifted(by), [reference(**gap)], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert place in judgement.reason


def test_a_reported_number_of_few_seeds_says_how_many() -> None:
    judgement = judge(Seeds(FIVE), [reference(n=2)], TASK, "paper")
    assert judgement.reason.startswith("the reported number is of 2 seeds, at least 5 carry a test")
    assert judgement.welch_p is None


def test_no_spread_on_either_side_proves_no_equivalence_but_may_prove_a_difference() -> None:
    same = Seeds(dict.fromkeys(range(5), 100.0))
    for value, verdict in ((100.0, "inconclusive"), (95.0, "inconclusive"), (50.0, "better"), (150.0, "worse")):
        judgement = judge(same, [reference(spread=0.0, value=value)], TASK, "paper")
        assert judgement.verdict == verdict
    assert "nothing bounds the error" in judge(same, [reference(spread=0.0)], TASK, "paper").reason
    assert judge(same, [reference(spread=2.0)], TASK, "paper").verdict == "equivalent"


@pytest.mark.parametrize("by", [0.0, 30.0, -30.0])
def test_a_questioned_number_lets_no_seeds_pass_and_says_the_fact_and_how_far_we_are(by: float) -> None:
    judgement = judge(shifted(by), [reference(questioned="two methods differ by exactly 800")], TASK, "paper")
    assert judgement.verdict == "inconclusive"
    assert judgement.reason.startswith("questioned: two methods differ by exactly 800; our mean differs from it by")
    assert judgement.difference == pytest.approx(by)
    few = judge(Seeds({0: float("nan")}), [reference(questioned="a fact")], TASK, "paper")
    assert (few.verdict, few.reason) == ("inconclusive", "questioned: a fact")


def test_of_two_floors_the_harder_one_is_named() -> None:
    bound = {"method": "any", "role": "floor", "spread": None, "spread_kind": "", "n": None}
    floors = [reference(value=value, **bound) for value in (20.0, 60.0)]
    assert "from the floor 60" in judge(Seeds(FIVE), floors, TASK, "paper").reason


def test_the_tiny_budget_is_never_held_against_the_paper() -> None:
    for references in ([reference()], [reference(env_steps=100)], []):
        assert judge(Seeds(FIVE), references, TASK, "tiny").verdict == "not comparable (budget)"


def test_another_number_of_steps_is_not_comparable() -> None:
    judgement = judge(Seeds(FIVE), [reference()], TASK, "workstation")
    assert judgement.verdict == "not comparable (budget)"
    assert "500 env steps" in judgement.reason
    assert "1,000" in judgement.reason


def test_the_reference_of_the_budget_s_own_steps_is_taken() -> None:
    references = [reference(env_steps=1000, value=300.0), reference(env_steps=500)]
    assert judge(Seeds(FIVE), references, TASK, "workstation").verdict == "equivalent"


def test_other_settings_than_the_paper_s_are_not_comparable() -> None:
    budgets = {**task()["budgets"], "workstation": {"env_steps": 1000, "seeds": [0], "overrides": {"batch": 8}}}
    judgement = judge(Seeds(FIVE), [reference()], Task.model_validate(task(budgets=budgets)), "workstation")
    assert judgement.verdict == "not comparable (budget)"
    assert "sets batch differently" in judgement.reason


def test_a_ceiling_gives_context_and_no_verdict() -> None:
    ceiling = reference(method="any", role="ceiling", value=125.0, spread=None, spread_kind="", n=None)
    judgement = judge(Seeds(FIVE), [ceiling], TASK, "paper")
    assert judgement.verdict == "no reference"
    assert judgement.reason == "the paper reports no number for it; 80% of the ceiling 125 points"


def test_a_floor_and_a_ceiling_give_the_share_of_the_way() -> None:
    bounds = [
        reference(method="any", role=role, value=value, spread=None, spread_kind="", n=None)
        for role, value in (("ceiling", 0.0), ("floor", -400.0))
    ]
    judgement = judge(shifted(-200), bounds, TASK, "paper")
    assert "75% of the way from the floor -400 to the ceiling 0" in judgement.reason
    below = judge(shifted(-600), bounds, TASK, "paper")
    assert below.reason == "the paper reports no number for it; short of the floor -400 by 100"


def test_a_share_of_a_ceiling_is_never_negative() -> None:
    ceiling = reference(method="any", role="ceiling", value=125.0, spread=None, spread_kind="", n=None)
    assert "-225 points from the ceiling 125" in judge(shifted(-200), [ceiling], TASK, "paper").reason


def test_a_ceiling_below_zero_gives_a_distance() -> None:
    ceiling = reference(method="any", role="ceiling", value=-50.0, spread=None, spread_kind="", n=None)
    assert "-50 points from the ceiling -50" in judge(shifted(-200), [ceiling], TASK, "paper").reason


def test_nothing_run_is_not_run() -> None:
    assert judge(Seeds({}, {0: "not run"}), [reference()], TASK, "paper").verdict == "not run"
    assert "seed 0 failed" in judge(Seeds({}, {0: "failed"}), [reference()], TASK, "paper").reason


@pytest.mark.parametrize(
    ("values", "digits"), [((0.0076, 0.001), 6), ((0.5,), 3), ((0.0,), 3), ((4.2, 123.4), 1), ((float("nan"),), 3)]
)
def test_numbers_show_four_digits_and_shares_three(values: tuple[float, ...], digits: int) -> None:
    assert decimals(*values) == digits


SOLVED = {"name": "train/solved", "reads": "train/return", "solved_at": 0.5, "unit": "share of seeds"}


@pytest.mark.parametrize(("ours", "theirs", "verdict", "sentence"), [
    (5, 0.2, "better", "5 of 5 seeds solved, the paper's 1 of 5 (Fisher's exact test p = 0.048)"),
    (0, 1.0, "worse", "0 of 5 seeds solved, the paper's 5 of 5"),
    (3, 0.6, "inconclusive", "no number of 5 seeds could decide"),
    (5, 1.0, "inconclusive", "with 5 seeds `worse` takes 1 or fewer"),
])  # fmt: skip
def test_a_share_of_solved_seeds_is_judged_by_an_exact_test(
    ours: int, theirs: float, verdict: str, sentence: str
) -> None:
    values = Seeds({seed: float(seed < ours) for seed in range(5)})
    printed = reference(metric="train/solved", value=theirs, spread=None, spread_kind="")
    judgement = judge(values, [printed], Task.model_validate(task(metric=SOLVED, margin=0.1)), "paper")
    assert judgement.verdict == verdict
    assert sentence in judgement.reason


def test_a_metric_that_is_read_earlier_is_held_against_a_number_of_that_step() -> None:
    metric = {"name": "eval/return", "unit": "points", "at_env_step": 800}
    early = Task.model_validate(task(metric=metric))
    assert judge(Seeds(FIVE), [reference(env_steps=800)], early, "paper").verdict == "equivalent"
    assert judge(Seeds(FIVE), [reference()], early, "paper").verdict == "equivalent"  # the paper's budget, read there
    ended = judge(Seeds(FIVE), [reference(env_steps=1000)], early, "paper")
    assert ended.verdict == "not comparable (budget)"
    assert judge(Seeds(FIVE), [reference(env_steps=500)], early, "workstation").reason == (
        "a run of 500 env steps is scheduled otherwise than one of 1,000"
    )


def test_equivalence_takes_five_tight_seeds_to_spread_a_little() -> None:
    """At their own spread both pairs would be equivalent; seven margins in ten apart, a hidden failure could be why."""
    tight = Seeds({seed: 107.0 + 0.01 * seed for seed in range(5)})
    assert judge(tight, [reference(spread=0.02)], TASK, "paper").verdict == "better"
    nearer = Seeds({seed: 103.0 + 0.01 * seed for seed in range(5)})
    assert judge(nearer, [reference(spread=0.02)], TASK, "paper").verdict == "equivalent"
