"""SaMI's released seeds and stated tests (method card, section 3), and small tables that must not match."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from mirl.suite.records import Reference, ReportedSeed, Stated
from mirl.verdict.reported import Recomputed, recompute, recompute_all

ROOT = Path(__file__).parents[3]
CARD_T = {
    ("crippled_ant", "training"): -2.68, ("crippled_halfcheetah", "moderate"): -6.39,
    ("crippled_halfcheetah", "extreme"): -4.92, ("crippled_hopper", "training"): 1.95,
    ("crippled_hopper", "moderate"): 0.14, ("crippled_hopper", "extreme"): -12.06,
    ("crippled_walker", "training"): -0.575,
}  # fmt: skip
"""What the shipped seeds give where the workbook states another t (card 3.1)."""
CLOSE_T = {
    ("hopper", "training", "tesac"), ("humanoid_standup", "moderate", "tesac"),
    ("humanoid_standup", "extreme", "tesac"), ("humanoid_standup", "training", "ccm"),
    ("crippled_ant", "training", "ccm"), ("ant", "extreme", "ccm"),
}  # fmt: skip
"""Further ones that do not match, by less than a tenth."""


@pytest.fixture(scope="module")
def sami() -> list[Recomputed]:
    return recompute_all(ROOT, "sami")


def test_the_tables_of_sami_follow_from_the_released_seeds(sami: list[Recomputed]) -> None:
    """A mean and an sd of 192 places of Tables 2 and 6, of 320 of Panda's cells and skills, and of 12 of Table 1."""
    tables = [one for one in sami if one.statistic in ("mean", "sd") and one.reason == "from 5 seeds"]
    assert Counter(one.task == "panda" for one in tables) == {False: 2 * 192, True: 2 * (320 + 12)}
    assert {one.finding for one in tables} == {"matches"}


def test_table_1_of_sami_prints_spreads_over_cells_and_seeds(sami: list[Recomputed]) -> None:
    pooled = [one for one in sami if one.statistic == "pooled_sd"]
    assert len(pooled) == 12
    assert {one.finding for one in pooled} == {"matches"}


def test_every_t_that_the_card_names_does_not_match_and_is_the_cards_when_recomputed(sami: list[Recomputed]) -> None:
    tests = [one for one in sami if one.statistic == "t"]
    assert len(tests) == 60
    wrong = {(one.task, one.setting, one.method): one for one in tests if one.finding != "matches"}
    assert set(wrong) == {(*place, "tesac") for place in CARD_T} | CLOSE_T
    for place, t in CARD_T.items():
        interval = wrong[*place, "tesac"].interval
        assert interval is not None
        assert interval[0] - 0.005 <= t <= interval[1] + 0.005
    assert all(abs(one.stated - one.value) < 0.1 for place, one in wrong.items() if place in CLOSE_T and one.value)


def test_the_p_values_of_the_same_cells_do_not_match_and_four_others_of_table_2(sami: list[Recomputed]) -> None:
    wrong = {
        (one.task, one.setting, one.method)
        for one in sami
        if one.statistic == "p" and one.finding == "does not match" and one.task != "panda"
    }
    assert wrong == {(*place, "satesac") for place in CARD_T} | {
        ("humanoid_standup", "moderate", "satesac"), ("humanoid_standup", "training", "saccm"),
        ("crippled_ant", "training", "saccm"), ("ant", "extreme", "saccm"),
    }  # fmt: skip


def test_three_p_values_of_sami_change_sides_of_five_percent_when_recomputed(sami: list[Recomputed]) -> None:
    tests = [one for one in sami if one.statistic == "p"]
    sides = {(one.task, one.setting) for one in tests if one.value and (one.stated <= 0.05) != (one.value <= 0.05)}
    assert sides == {("crippled_ant", "training"), ("crippled_halfcheetah", "extreme"), ("crippled_hopper", "extreme")}


def test_table_8_of_sami_follows_from_the_released_seeds(sami: list[Recomputed]) -> None:
    table = [one for one in sami if one.source == "Table 8"]
    assert len(table) == 6
    assert {one.finding for one in table} == {"matches"}
    tests = {one.method: set() for one in table}  # type: dict[str, set[str]]
    for one in table:
        tests[one.method].add(one.reason.partition(";")[0])
    assert tests == {"satesac": {"Welch's test, from seeds"}, "saccm": {"Student's test, from seeds"}}


def reference(method: str, value: float, spread: float, **changes: Any) -> Reference:
    cells = {
        "task": "line", "method": method, "setting": "", "metric": "eval/return", "env_steps": None, "value": value,
        "spread": spread, "spread_kind": "sd", "n": 5, "unit": "points", "role": "result",
        "provenance": "paper_table", "source": "Table 1", "note": "",
    }  # fmt: skip
    return Reference.model_validate({**cells, **changes})


def stated(value: str, statistic: str = "p", **changes: Any) -> Stated:
    against = "theirs" if statistic in ("t", "p") else ""
    cells = {
        "task": "line", "setting": "", "method": "ours", "against": against, "statistic": statistic,
        "of": "eval/return", "value": value, "provenance": "paper_table", "source": "Table 2", "note": "",
    }  # fmt: skip
    return Stated.model_validate({**cells, **changes})


def seeds(method: str, *values: str) -> list[ReportedSeed]:
    return [
        ReportedSeed(
            task="line", method=method, setting="", metric="eval/return", seed=seed, value=Decimal(value),
            provenance="author_data", source="a file",
        )
        for seed, value in enumerate(values)
    ]  # fmt: skip


TABLE = [reference("ours", 12.0, 2.0), reference("theirs", 9.0, 3.0)]


@pytest.mark.parametrize("equal_variances", [True, False])
def test_a_p_of_either_two_sample_test_matches(equal_variances: bool) -> None:
    exact = [reference("ours", 12.001, 2.001), reference("theirs", 9.001, 3.001)]
    p = stats.ttest_ind_from_stats(12.001, 2.001, 5, 9.001, 3.001, 5, equal_var=equal_variances).pvalue
    (found,) = recompute(exact, [], [stated(f"{p:.4f}")])
    assert found.finding == "matches"
    assert found.reason.startswith("Student" if equal_variances else "Welch")
    assert found.value == pytest.approx(p)


def test_rounding_of_means_and_spreads_is_forgiven_and_more_is_not() -> None:
    """Means of 12 and 9 are printed for anything from 11.5 to 12.5 and from 8.5 to 9.5."""
    least = stats.ttest_ind_from_stats(12.5, 1.5, 5, 8.5, 2.5, 5).pvalue
    most = stats.ttest_ind_from_stats(11.5, 2.5, 5, 9.5, 3.5, 5, equal_var=False).pvalue
    assert [recompute(TABLE, [], [stated(f"{p:.5f}")])[0].finding for p in (least, most, 0.8 * least, 1.1 * most)] == [
        "matches", "matches", "does not match", "does not match",
    ]  # fmt: skip


def test_the_digits_of_a_stated_number_say_how_exact_it_is() -> None:
    exact = [reference("ours", 12.001, 2.001), reference("theirs", 9.001, 3.001)]
    p = stats.ttest_ind_from_stats(12.001, 2.001, 5, 9.001, 3.001, 5).pvalue
    assert f"{p:.2f}" == "0.10"
    assert recompute(exact, [], [stated("0.1")])[0].finding == "matches"
    assert recompute(exact, [], [stated("0.10")])[0].finding == "matches"
    assert recompute(exact, [], [stated("0.102")])[0].finding == "does not match"


def test_seeds_come_before_means_and_sds() -> None:
    released = [*seeds("ours", "10", "11", "12", "13", "14"), *seeds("theirs", "6", "8", "9", "10", "12")]
    p = stats.ttest_ind([10, 11, 12, 13, 14], [6, 8, 9, 10, 12]).pvalue
    found = recompute(TABLE, released, [stated(f"{p:.6f}")])
    assert found[-1].reason.endswith("from seeds")
    assert found[-1].value == pytest.approx(p)


def test_a_mean_and_an_sd_that_do_not_follow_from_their_seeds_are_told() -> None:
    found = recompute(TABLE, seeds("ours", "10", "11", "12", "13", "14"), [])
    assert [(one.statistic, one.finding) for one in found] == [("mean", "matches"), ("sd", "matches")]
    found = recompute(TABLE, seeds("ours", "10", "11", "12", "13", "24"), [])
    assert [one.finding for one in found] == ["does not match", "does not match"]


def test_the_sign_of_a_t_counts() -> None:
    t = stats.ttest_ind_from_stats(12, 2, 5, 9, 3, 5).statistic
    findings = [recompute(TABLE, [], [stated(f"{sign * t:.3f}", "t")])[0].finding for sign in (1, -1)]
    assert findings == ["matches", "does not match"]


def test_a_mean_and_a_pooled_sd_over_metrics_are_those_of_all_seeds_together() -> None:
    import numpy as np

    cells = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 14.0, 15.0, 18.0]])
    table = [
        reference("ours", round(float(cell.mean()), 4), round(float(cell.std(ddof=1)), 4), metric=f"eval/{number}")
        for number, cell in enumerate(cells)
    ]
    of = "eval/0 eval/1"
    said = {"mean": f"{cells.mean():.2f}", "pooled_sd": f"{cells.std(ddof=1):.2f}"}
    found = recompute(table, [], [stated(value, statistic, of=of) for statistic, value in said.items()])
    assert [one.finding for one in found] == ["matches", "matches"]
    assert recompute(table, [], [stated("3.00", "pooled_sd", of=of)])[0].finding == "does not match"


def test_a_test_over_several_metrics_is_of_each_seeds_mean_over_them() -> None:
    near, far = seeds("ours", "10", "11", "12", "13", "14"), seeds("ours", "4", "9", "2", "7", "6")
    other = seeds("theirs", "6", "8", "9", "10", "12")
    both = [
        *near, *(one.model_copy(update={"metric": "eval/far"}) for one in far),
        *other, *(one.model_copy(update={"metric": "eval/far"}) for one in other),
    ]  # fmt: skip
    p = stats.ttest_ind([7, 10, 7, 10, 10], [6, 8, 9, 10, 12]).pvalue
    (found,) = recompute([], both, [stated(f"{p:.6f}", of="eval/return eval/far")])
    assert (found.finding, found.value) == ("matches", pytest.approx(p))
    assert recompute([], [*near, *other], [stated("0.5", of="eval/return eval/far")])[0].value is None


def test_what_lacks_numbers_cannot_be_recomputed() -> None:
    assert recompute(TABLE[:1], [], [stated("0.5")])[0].finding == "cannot be recomputed"
    (found,) = recompute(TABLE, [], [stated("0.5", of="eval/return eval/return")])
    assert (found.finding, found.value) == ("cannot be recomputed", None)


def test_equal_numbers_without_spread_are_compared_as_numbers() -> None:
    table = [reference("ours", 1.0, 0.0), reference("theirs", 1.0, 0.0)]
    assert recompute(table, [], [stated("1.0")])[0].finding == "matches"
