from __future__ import annotations

from pathlib import Path

import pytest
from on_disk import registered, write_references

from mirl.suite.results import read_references
from mirl.verdict.margins import margin_of, reported_range, scale_of

RESULT = "line,ours,,eval/return,,100,4,sd,5,points,result,paper_table,Table 1,"
TASK = registered().papers["toy"].tasks["line"]


@pytest.mark.parametrize(
    ("scale", "margin"), [(49, 4.9), (264, 26), (1, 0.1), (2373.25, 240), (0.961328, 0.096), (1000, 100)]
)
def test_a_margin_is_a_tenth_in_two_digits(scale: float, margin: float) -> None:
    assert margin_of(scale) == margin


def test_the_scale_is_the_ceiling_or_else_the_mean_over_reported_methods(tmp_path: Path) -> None:
    write_references(tmp_path)
    assert scale_of(read_references(tmp_path, "toy"), "line", TASK) is None
    rows = [RESULT, RESULT.replace("ours", "theirs").replace(",100,", ",140,")]
    write_references(tmp_path, *rows)
    references = read_references(tmp_path, "toy")
    assert scale_of(references, "line", TASK) == 120
    assert reported_range(references, "line", TASK) == 40
    write_references(tmp_path, *rows, "line,any,,eval/return,,500,,,,points,ceiling,computed,by hand,")
    assert scale_of(read_references(tmp_path, "toy"), "line", TASK) == 500


def test_context_is_neither_scale_nor_range(tmp_path: Path) -> None:
    write_references(
        tmp_path, RESULT, RESULT.replace("ours", "somebody").replace("result", "context").replace(",100,", ",9,")
    )
    references = read_references(tmp_path, "toy")
    assert scale_of(references, "line", TASK) == 100
    assert reported_range(references, "line", TASK) is None
