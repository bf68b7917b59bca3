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


def test_the_version_and_the_help_are_told(mirl):
    told = mirl("--version")
    assert (told.returncode, told.stdout) == (0, "mirl 0.1.0\n")
    alone = mirl()
    assert alone.returncode == 2
    assert "reproduce" in alone.stderr
    assert "--show-completion" in mirl("--help").stdout  # what it shows hangs on the shell that asks, if any
