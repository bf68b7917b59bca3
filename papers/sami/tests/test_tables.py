"""The reference table against itself: per-seed values give the printed means, spreads and tests (card 9 M)."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sami.protocol import FRICTIONS, MASSES
from sami.settings import TASKS, task_sets

Row = dict[str, str]
METHODS = ("tesac", "ccm", "satesac", "saccm")
PRINTED = {
    "tesac": ("0.50±0.22", "0.31±0.20", "0.22±0.21"), "ccm": ("0.80±0.19", "0.49±0.23", "0.29±0.28"),
    "satesac": ("0.92±0.04", "0.56±0.24", "0.37±0.34"), "saccm": ("0.93±0.05", "0.57±0.26", "0.36±0.35"),
}  # fmt: skip
"""Table 1, which pools cells and seeds."""


def read(name: str) -> list[Row]:
    with (Path(__file__).parents[3] / "results" / "reference" / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return read("sami.csv")


def find(table: list[Row], **wanted: str) -> Row:
    (found,) = [row for row in table if all(row[name] == value for name, value in wanted.items())]
    return found


def seeds_of(task: str, method: str, metric: str) -> list[float]:
    rows = [
        row for row in read("sami-seeds.csv") if (row["task"], row["method"], row["metric"]) == (task, method, metric)
    ]
    assert [row["seed"] for row in rows] == ["100", "101", "102", "103", "104"]
    return [float(row["value"]) for row in rows]


@pytest.mark.parametrize("setting", ["training", "moderate", "extreme"])
@pytest.mark.parametrize("task", ["halfcheetah", "crippled_walker"])
def test_seeds_give_the_printed_mean_and_sample_spread(table: list[Row], task: str, setting: str):
    for method in METHODS:
        metric = f"eval/return_{setting}"
        printed = find(table, task=task, method=method, metric=metric, role="result")
        seeds = seeds_of(task, method, metric)
        assert (round(np.mean(seeds)), round(np.std(seeds, ddof=1))) == pytest.approx(
            (float(printed["value"]), float(printed["spread"])), abs=1
        )


@pytest.mark.parametrize(("better", "worse"), [("satesac", "tesac"), ("saccm", "ccm")])
def test_the_tests_between_methods_are_unpaired(better: str, worse: str):
    first, second = (seeds_of("halfcheetah", method, "eval/return_training") for method in (better, worse))
    stated = find(
        read("sami-stated.csv"), task="halfcheetah", setting="training", method=better, against=worse, statistic="p"
    )
    assert stats.ttest_ind(first, second).pvalue == pytest.approx(float(stated["value"]), abs=1e-3)
    assert stats.ttest_rel(first, second).pvalue != pytest.approx(float(stated["value"]), abs=1e-3)


def cell(table: list[Row], method: str, friction: float, mass: float) -> tuple[float, float]:
    metric = f"eval/success_friction_{friction:g}_mass_{mass:g}"
    row = find(table, task="panda", method=method, setting="grid", metric=metric)
    return float(row["value"]), float(row["spread"])


@pytest.mark.parametrize("method", METHODS)
def test_table_1_pools_cells_and_seeds(table: list[Row], method: str):
    for setting, printed in zip(("training", "moderate", "extreme"), PRINTED[method], strict=True):
        cells = [cell(table, method, *pair) for pair in task_sets("panda")[setting].tuples]
        means, spreads = (np.array(part) for part in zip(*cells, strict=True))
        squares = 4 * (spreads**2).sum() + 5 * ((means - means.mean()) ** 2).sum()
        pooled = math.sqrt(squares / (5 * len(cells) - 1))
        mean, spread = (float(part) for part in printed.split("±"))
        assert means.mean() == pytest.approx(mean, abs=0.011)  # cells are printed with two decimals
        assert pooled == pytest.approx(spread, abs=0.011)
        row = find(table, task="panda", method=method, metric=f"eval/success_{setting}")
        assert float(row["value"]) == pytest.approx(means.mean(), abs=0.006)
        assert float(row["spread"]) < pooled


def test_every_task_method_and_setting_has_its_number(table: list[Row]):
    for task in TASKS:
        kind = "success" if task == "panda" else "return"
        for method in METHODS:
            for setting in ("training", "moderate", "extreme"):
                assert find(table, task=task, method=method, setting=setting, metric=f"eval/{kind}_{setting}")
    for rate in ("success", "push", "roll", "pick_and_place"):
        cells = [row for row in table if row["metric"].startswith(f"eval/{rate}_friction") and row["setting"] == "grid"]
        assert len(cells) == len(FRICTIONS) * len(MASSES) * len(METHODS)


def test_rows_that_are_no_acceptance_target_say_so(table: list[Row]):
    for row in table:
        if row["metric"].startswith("eval/return") and row["role"] == "result":
            warned = "not an acceptance target" in row["note"]
            assert warned == (row["task"] in ("ant", "crippled_ant", "hopper")), row
