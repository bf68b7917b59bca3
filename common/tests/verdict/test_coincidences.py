"""Seeds that share their last digits, invented ones and those that SaMI's authors released."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from mirl.suite.records import ReportedSeed
from mirl.suite.results import read_references
from mirl.verdict.coincidences import coincidences, pairs, tallies
from mirl.verdict.reported import read_seeds

ROOT = Path(__file__).parents[3]
SHOWN_TWICE = ("slim_humanoid", "halfcheetah", "hopper")
"""Tasks whose Table 6 shows Table 2's seeds again: Table 6's rows are questioned, Table 2's are not for that."""
FEW_DIGITS = {("crippled_walker", 100, "extreme"), ("crippled_walker", 104, "training")}
"""Pairs with two decimals or fewer that are a multiple of 100 apart, as chance gives two in all."""


def seed(value: str, method: str = "ours", setting: str = "near", number: int = 0, task: str = "line") -> ReportedSeed:
    return ReportedSeed(
        task=task, method=method, setting=setting, metric=f"eval/return_{setting}", seed=number, value=Decimal(value),
        provenance="author_data", source="a file",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "apart"),
    [("812.3456", 0), ("1612.3456", 800), ("-187.6544", -1000), ("812.3457", None), ("862.3456", None)],
)
def test_values_that_are_equal_or_a_whole_hundred_apart_to_the_last_digit_coincide(other: str, apart: int | None):
    found = coincidences([seed("812.3456"), seed(other, method="theirs")])
    assert [one.difference for one in found] == ([] if apart is None else [apart])


def test_only_one_task_and_number_with_the_method_or_the_setting_alike_is_held_together():
    one = seed("812.3456")
    for other in ({"task": "hill"}, {"number": 1}, {"method": "theirs", "setting": "far"}):
        assert not list(pairs([one, seed("812.3456", **other)]))  # type: ignore[arg-type]
    assert len(list(pairs([one, seed("9", method="theirs")]))) == 0  # a small value, as of a share
    assert len(list(pairs([one, seed("100", setting="far")]))) == 1


def test_what_coincides_alike_is_told_together():
    rows = [
        seed(f"{value}.125", method, setting, number)
        for number, value in enumerate((300, 433))
        for method in ("ours", "theirs")
        for setting, value in (("near", value + (7 if method == "theirs" else 0)), ("far", 500 + value + len(method)))
    ]
    again = [row.model_copy(update={"setting": "again"}) for row in rows if row.setting == "near"]
    (found,) = coincidences([*rows, *again])
    assert (found.alike, found.first, found.second, found.seeds) == (("ours", "theirs"), "near", "again", (0, 1))
    assert (found.difference, found.decimals) == (0, 3)


def test_independent_values_coincide_as_often_as_is_said():
    values = np.random.default_rng(0).uniform(100, 9000, size=(400, 12))
    rows = [
        seed(f"{value:.1f}", method=f"m{place}", number=number)
        for number, row in enumerate(values)
        for place, value in enumerate(row)
    ]
    many, few = tallies(rows)
    assert (many.pairs, few.pairs) == (0, 400 * 66)
    assert few.expected == pytest.approx(26.4)
    assert abs(few.found - few.expected) <= 4 * few.expected**0.5


def test_what_coincides_in_samis_files_is_questioned_but_for_what_chance_gives():
    rows = read_seeds(ROOT, "sami")
    questioned = {(row.task, row.method, row.setting, row.seed) for row in rows if row.questioned}
    coincide = set()
    for pair in (pair for pair in pairs(rows) if pair.coincides):
        two = [(row.task, row.method, row.setting, row.seed) for row in (pair.one, pair.other)]
        again = {f"domino_{pair.one.setting}", pair.one.setting} == {pair.one.setting, pair.other.setting}
        if (pair.one.task, pair.one.seed, pair.one.setting) in FEW_DIGITS:
            continue
        coincide |= set(two[1:] if pair.one.task in SHOWN_TWICE and again else two)
    assert questioned == coincide


def test_a_row_of_samis_tables_is_questioned_where_one_of_its_seeds_is():
    seeds = {(row.task, row.method, row.metric) for row in read_seeds(ROOT, "sami") if row.questioned}
    rows = {(row.task, row.method, row.metric) for row in read_references(ROOT, "sami") if row.questioned}
    assert rows == seeds
    assert len(rows) == 66
