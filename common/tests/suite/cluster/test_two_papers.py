"""The registration that the tests on two nodes make of the real one, where no Slurm is."""

from __future__ import annotations

from pathlib import Path

from two_papers import METHODS, TASKS, repository

from mirl.suite import experiments as registry
from mirl.suite.selection import select


def test_two_papers_with_one_task_each_are_left_of_what_is_registered(tmp_path: Path):
    left = registry.load(repository(tmp_path / "repository") / "reproduce.yaml")
    assert {paper: list(entry.tasks) for paper, entry in left.papers.items()} == {p: [t] for p, t in TASKS.items()}
    assert len(select(left, "tiny")) == 2 * sum(map(len, METHODS.values()))
