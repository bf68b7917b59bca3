"""Ledgers and gaps are read from the papers' own documents."""

from __future__ import annotations

from small_results import CARD, HARMFUL, README

from mirl.suite.report import documents


def test_the_ledger_is_the_section_that_is_headed_so_and_nothing_after_it():
    section = documents.ledger_section(README)
    assert section.startswith("| # | the released code")
    assert "Another departure" in section
    assert "Citation" not in section
    assert documents.ledger_section("# Toy\n\n## Results\n") == ""


def test_cells_carry_their_columns_name_and_code_may_be_broken_at_its_joints_only():
    html = documents.to_html(documents.ledger_section(README))
    assert '<td role="cell" data-label="the released code">forgets</td>' in html
    assert '<td role="cell" data-label="#">1</td>' in html
    assert "test_<wbr>toy.py::<wbr>test_<wbr>it_<wbr>forgets" in html


def test_a_link_of_the_readme_keeps_its_words_only_and_html_is_shown_as_text():
    html = documents.to_html(f"[here](../../secret.md) ![a picture](x.png) {HARMFUL}")
    assert "here" in html
    assert "<a" not in html
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_what_the_card_did_not_find_is_a_sentence_with_its_section():
    assert documents.not_found(CARD) == [documents.Statement("3. Numbers", "Paper table 7: not found.")]


def test_headings_and_rows_of_tables_say_it_too():
    card = "## 3. Data\n### Paper Table 1 — NOT FOUND\n| E4 | size | values **NOT FOUND** |\n| E5 | found |\n"
    assert documents.not_found(card) == [
        documents.Statement("", "Paper Table 1 — NOT FOUND"),
        documents.Statement("Paper Table 1 — NOT FOUND", "E4 – size – values NOT FOUND"),
    ]


def test_a_paper_without_documents_has_neither(tmp_path):
    assert documents.read_ledger(tmp_path / "README.md") == ""
    assert documents.read_not_found(tmp_path / "method-card.md") == []
