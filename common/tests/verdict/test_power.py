from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from on_disk import registered, task, write_references

from mirl.suite.experiments import Task
from mirl.suite.records import Reference
from mirl.verdict import power, power_tables
from mirl.verdict.judgement import Seeds, judge
from mirl.verdict.statistics import solved_p

MARGIN = 10.0
TASK = Task.model_validate(task(margin=MARGIN))
RESULT = "line,ours,,eval/return,,100,4,sd,5,points,result,paper_table,Table 1,"


def simulated(sd: float, n: int, reference_n: int, shift: float, draws: int = 1500) -> dict[str, float]:
    """Shares of verdicts by plain simulation: seeds are drawn, the paper's mean errs, its sd stands."""
    generator = np.random.default_rng(0)
    counts: dict[str, int] = {}
    for _ in range(draws):
        printed = Reference(
            task="line", method="ours", setting="", metric="eval/return", env_steps=None,
            value=generator.normal(0, sd / np.sqrt(reference_n)), spread=sd, spread_kind="sd", n=reference_n,
            unit="points", role="result", provenance="computed", source="simulation", note="",
        )  # fmt: skip
        ours = Seeds(dict(enumerate(generator.normal(shift, sd, n).tolist())))
        verdict = judge(ours, [printed], TASK, "paper").verdict
        counts[verdict] = counts.get(verdict, 0) + 1
    return {verdict: count / draws for verdict, count in counts.items()}


@pytest.mark.parametrize(("sd", "n", "reference_n"), [(3.0, 5, 5), (7.0, 5, 5), (20.0, 5, 5), (8.0, 10, 5)])
def test_the_chances_agree_with_plain_simulation(sd: float, n: int, reference_n: int) -> None:
    told = power.power(sd, n, reference_n, MARGIN)
    equal, worse = simulated(sd, n, reference_n, 0.0), simulated(sd, n, reference_n, -2 * MARGIN)
    assert told.equivalent == pytest.approx(equal.get("equivalent", 0.0), abs=0.04)
    assert told.by_chance == pytest.approx(equal.get("better", 0.0) + equal.get("worse", 0.0), abs=0.02)
    assert told.worse == pytest.approx(worse.get("worse", 0.0), abs=0.04)


def test_the_chances_of_solved_seeds_are_counted() -> None:
    told = power.power_of_solved(0.2, 5, 5, 0.1)
    decided = [k for k in range(6) if solved_p(k, 5, 1, 5) <= 0.05]
    assert decided == [5]
    assert told.by_chance == pytest.approx(0.2**5)
    assert (told.equivalent, told.worse) == (0.0, 0.0)


@pytest.mark.parametrize(("sd", "impossible"), [(4.0, False), (10.0, False), (11.0, True), (40.0, True)])
def test_a_printed_sd_may_rule_equivalence_out_whatever_our_seeds_do(
    tmp_path: Path, sd: float, impossible: bool
) -> None:
    write_references(tmp_path, RESULT.replace(",4,sd", f",{sd},sd"))
    (row,) = power.rows(tmp_path, registered(), ["toy"])
    assert ("rules out" in row.note) == impossible
    assert row.chances is not None
    assert (row.chances.equivalent == 0) == impossible
    tight = Seeds({seed: 100 + 1e-3 * seed for seed in range(5)})
    assert (judge(tight, [row.reference], TASK, "paper").verdict == "equivalent") != impossible


def test_a_row_says_why_nothing_can_be_decided(tmp_path: Path) -> None:
    theirs = RESULT.replace("ours", "theirs").replace(",,100", ",500,200")
    write_references(tmp_path, RESULT.replace(",4,sd,5,", ",4,sd,3,"), theirs)
    few, early = power.rows(tmp_path, registered(), ["toy"])
    assert few.chances is early.chances is None
    assert few.note == "the reported number has no spread or too few seeds: nothing can be decided"
    assert early.note == "ours is after 1,000 env steps, the reported number after 500"
    assert power_tables.summary([few, early]).endswith("no verdict can be told from any of them.")


def test_a_margin_as_wide_as_all_methods_is_told_apart(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT, RESULT.replace("ours", "theirs").replace(",100,", ",109,"))
    rows = list(power.rows(tmp_path, registered(), ["toy"]))
    assert [row.coarse for row in rows] == [True, True]
    assert "all reported methods lie within 9: `equivalent` tells nothing" in rows[0].note
    write_references(tmp_path, RESULT, RESULT.replace("ours", "theirs").replace(",100,", ",111,"))
    assert not any(row.coarse for row in power.rows(tmp_path, registered(), ["toy"]))


def test_the_summary_counts_what_is_expected_by_chance_alone(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT, RESULT.replace("ours", "theirs"))
    rows = list(power.rows(tmp_path, registered(), ["toy"]))
    assert power.expected_by_chance(rows) == pytest.approx(2 * rows[0].chances.by_chance)  # type: ignore[union-attr]
    assert "2 results have a reported number, 2 of them one that can be tested against" in power_tables.summary(rows)
