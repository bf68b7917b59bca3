"""`mirl reference add` through the real command line, then the comparison that uses the number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirl.suite.results import read_references

ROW = (
    "--paper", "toy", "--task", "line", "--method", "drift", "--value", "12.5", "--spread", "2", "--spread-kind", "sd",
    "--reported-seeds", "5", "--provenance", "paper_table", "--source", "Table 2, row 3",
)  # fmt: skip


@pytest.fixture
def path(root: Path) -> Path:
    return root / "results/reference/toy.csv"


def changed(**options: str | None) -> list[str]:
    """ROW with other values; None leaves an option out."""
    words = dict(zip(ROW[::2], ROW[1::2], strict=True))
    words |= {f"--{name.replace('_', '-')}": value for name, value in options.items()}  # type: ignore[misc]
    return [word for option, value in words.items() if value is not None for word in (option, value)]


def test_a_number_is_added_with_the_registered_metric_and_unit_and_compare_uses_it(mirl, root: Path, path: Path):
    added = mirl("reference", "add", *ROW, "--note", "read off, by two people")
    assert added.returncode == 0, added.stderr
    assert "holds drift on line against it" in added.stdout
    (row,) = read_references(root, "toy")
    assert (row.metric, row.unit, row.value, row.n, row.note) == (
        "eval/return", "reward per episode", 12.5, 5, "read off, by two people",
    )  # fmt: skip
    assert mirl("check", "results/reference").returncode == 0
    shown = json.loads(mirl("compare", "--paper", "toy", "--json").stdout)
    assert [one["reference"] and one["reference"]["value"] for one in shown["rows"]] == [None, 12.5]


def test_a_number_that_is_there_is_refused_and_nothing_is_written(mirl, path: Path):
    assert mirl("reference", "add", *ROW).returncode == 0
    before = path.read_bytes()
    again = mirl("reference", "add", *changed(value="99"))
    assert again.returncode == 2
    assert "toy.csv already has 12.5 as result of eval/return for line, drift (Table 2, row 3)" in again.stderr
    assert path.read_bytes() == before
    assert mirl("reference", "add", *changed(env_steps="1000")).returncode == 2  # the paper's budget, named
    assert mirl("reference", "add", *changed(env_steps="400", value="9")).returncode == 0


def test_other_rows_keep_their_bytes(mirl, path: Path):
    path.parent.mkdir(parents=True)
    header = "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note"
    old = f"{header}\nline,any,,eval/return,,1.00,,,,points,floor,computed,by hand,"  # no newline at the end
    path.write_text(old)
    assert mirl("reference", "add", *ROW).returncode == 0
    text = path.read_text()
    assert (
        text == f'{old}\nline,drift,,eval/return,,12.5,2,sd,5,reward per episode,result,paper_table,"Table 2, row 3",\n'
    )


def test_a_questioned_number_is_added_and_shown_and_lets_no_verdict_pass(mirl_here, root: Path, path: Path):
    fact = "two methods differ by exactly 800"
    added = mirl_here("reference", "add", *ROW, "--questioned", fact)
    assert added.returncode == 0, added.stderr
    assert "being questioned it carries no verdict" in added.stdout
    assert [row.questioned for row in read_references(root, "toy")] == [fact]
    assert mirl_here("check", "results/reference").returncode == 0
    compared = mirl_here("compare", "--paper", "toy").stdout
    assert "12.50 ± 2.00 (?)" in compared
    assert f"questioned: {fact}" in " ".join(compared.split())
    listed = " ".join(mirl_here("list", "--paper", "toy").stdout.split())
    assert "12.50 ± 2.00 (?)" in listed
    assert "no verdict against it passes" in listed


def test_an_older_table_without_the_column_is_read_and_gains_it_when_it_is_needed(mirl_here, root: Path, path: Path):
    path.parent.mkdir(parents=True)
    header = "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note"
    path.write_text(f'{header}\nline,any,,eval/return,,1.00,,,,points,floor,computed,"by hand, twice",\n')
    assert mirl_here("check", "results/reference").returncode == 0
    assert mirl_here("reference", "add", *ROW, "--questioned", "a fact").returncode == 0
    assert path.read_text().startswith(
        f'{header},questioned\nline,any,,eval/return,,1.00,,,,points,floor,computed,"by hand, twice",,\n'
    )
    assert [row.questioned for row in read_references(root, "toy")] == ["", "a fact"]


def test_ceilings_and_other_metrics_are_context(mirl):
    bound = changed(method="any", role="ceiling", spread=None, spread_kind=None, reported_seeds=None)
    assert "names it as the ceiling of any on line" in mirl("reference", "add", *bound).stdout
    other = changed(metric="eval/length", unit="steps")
    assert "kept as context: verdicts on line use eval/return" in mirl("reference", "add", *other).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paper": "toi"}, "no paper 'toi'; did you mean toy?"),
        ({"paper": None}, "--paper is needed (papers: toy)"),
        ({"task": "lime"}, "no task 'lime' in paper toy; did you mean line?"),
        ({"method": "drfit"}, "no method 'drfit' for toy/line; did you mean drift?"),
        ({"provenance": "memory"}, "--provenance: Input should be 'paper_table', 'paper_figure', 'author_data'"),
        ({"source": " "}, "--source: String should have at least 1 character, got ''"),
        ({"source": None}, "Missing option '--source'"),
        ({"value": "nan"}, "--value: Input should be a finite number"),
        ({"value": "high"}, "Invalid value for '--value'"),
        ({"spread": "-1"}, "--spread: Input should be greater than or equal to 0"),
        ({"spread_kind": None}, "--spread and --spread-kind are given together or not at all"),
        ({"spread_kind": "range"}, "--spread-kind: Input should be 'sd', 'sem', 'ci95'"),
        ({"reported_seeds": "0"}, "--reported-seeds: Input should be greater than or equal to 1, got '0'"),
        ({"env_steps": "0"}, "--env-steps: Input should be greater than or equal to 1"),
        ({"questioned": "why " * 80}, "--questioned: must be one line of at most 300 characters, has 319"),
        ({"questioned": "two\nlines"}, "--questioned: must be one line"),
        ({"questioned": "a fact", "role": "ceiling", "method": "any"}, "only a number with role result can be"),
        ({"role": "guess"}, "--role: Input should be 'result', 'ceiling', 'floor' or 'context'"),
        ({"method": "any"}, "method any is for ceilings and floors"),
        ({"metric": "eval/length"}, "--unit is needed: eval/length is not a registered metric of line"),
        ({"setting": "extreme"}, "--metric is needed: reproduce.yaml registers no setting 'extreme' for toy/line"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_one_line_that_names_it_and_nothing_is_written(mirl_here, path: Path, options, message: str):
    refused = mirl_here("reference", "add", *changed(**options))
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not path.exists()


def test_a_table_that_is_damaged_is_not_added_to(mirl, path: Path):
    path.parent.mkdir(parents=True)
    path.write_text("task,value\nline,1\n")
    refused = mirl("reference", "add", *ROW)
    assert refused.returncode == 2
    assert "toy.csv has the columns task,value; it must have" in refused.stderr
    assert path.read_text() == "task,value\nline,1\n"
