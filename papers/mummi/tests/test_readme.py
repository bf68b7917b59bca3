"""What the README's ledger promises: tests that exist, and fixes that `fixed` makes."""

from __future__ import annotations

import re
from pathlib import Path

from mummi.config import FIXES

TESTS = Path(__file__).parent
LEDGER = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (TESTS.parent / "README.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]
"""Rows of number, fault, effect, faithful, fixed, test."""


def test_the_ledger_is_numbered_and_whole():
    assert [row[0] for row in LEDGER] == [str(number) for number in range(1, len(LEDGER) + 1)]
    assert {len(row) for row in LEDGER} == {6}


def test_the_ledgers_tests_exist():
    for number, *_, test in LEDGER:
        named = re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", test)
        if not named:
            assert test == "none: there is no such code", number
            continue
        assert f"def {named[2]}(" in (TESTS / named[1]).read_text(), number


def test_the_switches_of_fixed_stand_in_the_ledger():
    switches = {name for fixes in FIXES.values() for name in fixes}
    told = {name for row in LEDGER for name in switches if f"`{name}" in row[3]}
    assert told == switches
