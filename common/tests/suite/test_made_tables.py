"""Tables in Markdown files that a command makes, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

BLOCK = "before\n\n<!-- mirl {words} -->\n{content}<!-- end -->\n\nafter\n"


def test_a_table_is_renewed_between_its_marks_and_then_stays(mirl_here, root: Path):
    (root / "docs").mkdir()
    page = root / "docs/page.md"
    page.write_text(BLOCK.format(words="findings --paper toy", content="| an | old |\n"))
    (root / "README.md").write_text("no table\n")
    old = mirl_here("documents", "--check")
    assert (old.returncode, old.stdout) == (1, "docs/page.md is old: mirl documents renews it\n")
    assert "| an | old |" in page.read_text()
    assert mirl_here("documents").stdout == "docs/page.md renewed\n"
    printed = mirl_here("findings", "--paper", "toy").stdout.strip()
    assert page.read_text() == BLOCK.format(words="findings --paper toy", content=f"\n{printed}\n\n")
    again = mirl_here("documents", "--check")
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run tiny/toy/line/drift/seed0", "a document's tables come from findings or list"),
        ("findings --paper toi", "no paper 'toi'; did you mean toy?"),
        ("findings --pager toy", "No such option: --pager"),
        ("findings --paper 'toy", "No closing quotation"),
    ],
)
def test_a_wrong_command_in_a_document_is_one_line_and_nothing_is_written(
    mirl_here, root: Path, words: str, message: str
):
    page = root / "README.md"
    page.write_text(BLOCK.format(words="findings", content="") + BLOCK.format(words=words, content=""))
    before = page.read_text()
    refused = mirl_here("documents")
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert page.read_text() == before


def test_findings_tell_a_paper_of_which_nothing_was_run(mirl_here):
    assert "| 0 of 2 run | – | 1 not run | 0 | – |" in mirl_here("findings").stdout
    assert "Not run at the paper's budget: 2 of 2 rows." in mirl_here("findings", "--paper", "toy").stdout


def test_seeds_of_a_task_stand_side_by_side(mirl_here, root: Path):
    nothing = mirl_here("findings", "--paper", "toy", "--task", "line")
    assert (nothing.returncode, nothing.stdout) == (0, "No run of toy line at budget paper is published.\n")
    for spec, content in (("drift/seed0", "1.0"), ("drift/seed3", "3.0"), ("random_walk/seed0", "-2.5")):
        folder = root / "results/published/toy/paper/line" / spec
        folder.mkdir(parents=True)
        rows = [
            "env_step,wall_s,name,value",
            "10,0,eval/return,9",
            "20,0,train/return,7.5",
            f"20,0,eval/return,{content}",
        ]
        (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    assert mirl_here("findings", "--paper", "toy", "--task", "line").stdout.splitlines() == [
        "| `eval/return` | seed 0 | seed 3 | mean ± sd |",
        "| --- | --- | --- | --- |",
        "| `random_walk` | -2.5 |  | -2.5 |",
        "| `drift` | 1 | 3 | 2 ± 1.41 |",
    ]
    other = mirl_here("findings", "--paper", "toy", "--task", "line", "--metric", "train/return")
    assert "| `drift` | 7.5 | 7.5 | 7.5 ± 0 |" in other.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "line"], "--paper is needed"),
        (["--paper", "toy", "--task", "lien"], "did you mean line?"),
        (["--paper", "toy", "--metric", "eval/return"], "--metric is about one task; --task names it"),
        (["--paper", "toy", "--budget", "tiny"], "--budget is about one task; --task names it"),
    ],
)
def test_seeds_that_cannot_be_shown_are_one_line(mirl_here, words: list[str], message: str):
    refused = mirl_here("findings", *words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_the_version_and_the_help_are_told(mirl):
    told = mirl("--version")
    assert (told.returncode, told.stdout) == (0, "mirl 0.1.0\n")
    alone = mirl()
    assert alone.returncode == 2
    assert "reproduce" in alone.stderr
    assert "--show-completion" in mirl("--help").stdout  # what it shows hangs on the shell that asks, if any
