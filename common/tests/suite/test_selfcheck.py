"""`mirl selfcheck`, through the real command line, on the toy paper."""

from __future__ import annotations

from pathlib import Path


def test_a_paper_that_trains_tests_and_films_is_whole(mirl, root: Path):
    checked = mirl("selfcheck", "--paper", "toy")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [line.split(": ")[1].split()[0] for line in checked.stdout.splitlines()] == [
        "describes",
        "trained",
        "evaluated",
        "kept",
    ]
    assert not (root / "results/runs").exists()


def test_a_paper_that_does_not_start_is_named_in_one_line(mirl, root: Path):
    (root / "papers/toy/.venv/bin/python").write_text("#!/bin/sh\necho 'no module named torch' >&2\nexit 1\n")
    checked = mirl("selfcheck", "--paper", "toy")
    assert checked.returncode == 1
    assert "no module named torch" in checked.stdout
    assert checked.stdout.count("\n") == 1
