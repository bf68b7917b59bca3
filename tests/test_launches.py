"""The table of launches and waits in docs/gpu.md is what its command counts."""

from __future__ import annotations

import pytest
from launches import PAGE, cells, counted, renewed


@pytest.mark.parametrize(("paper", "method"), [("mi_asym", "drqn"), ("amigo", "impala")])
def test_the_page_says_what_is_counted(paper: str, method: str):
    (row,) = counted(paper, method)
    assert f"| {' | '.join(cells(row))} |" in PAGE.read_text(encoding="utf-8").splitlines(), "make gpu-table"


def test_a_renewed_page_keeps_all_but_the_table():
    row = {
        "paper": "amigo", "method": "impala", "turns": 10, "env_steps": 400, "update_flop": 67 * 10**9,
        "act": {"launches": 300, "waits": 10, "copies": 20}, "update": {"launches": 200, "waits": 0, "copies": 1},
    }  # fmt: skip
    text = renewed("before\n<!-- launches -->\nold\n<!-- end -->\nafter\n", [row])
    assert text.startswith("before\n<!-- launches -->\n\n| method |")
    assert text.endswith("\n\n<!-- end -->\nafter\n")
    assert "| amigo impala | 30 | 1.00 | 40 | 200 | 0 | 1.00 | 2.00 | 2.000 |" in text
