"""reproduce.yaml against what the papers themselves say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirl.suite import check
from mirl.suite import experiments as registry
from mirl.suite.check import run_checks
from mirl.verdict import bands

ROOT = Path(__file__).parents[1]
EXPERIMENTS = registry.load(ROOT / "reproduce.yaml")


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_the_registration_agrees_with_what_the_paper_says_of_itself(paper: str):
    described = check.ask(ROOT, paper)
    assert described.said
    assert not run_checks(check.Tree(papers=[described]), EXPERIMENTS)


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_a_task_with_bands_has_them_for_every_method_and_registered_seed(paper: str):
    """Tasks without any are new: `mirl regress` says `no band` for them, and ends with 1."""
    recorded = {band.key for band in bands.read_bands(ROOT, paper)}
    recorded |= {first.key for first in bands.read_first_values(ROOT, paper)}
    tasks = {key[0] for key in recorded}
    assert tasks
    for spec in registry.select(EXPERIMENTS, "tiny", paper):
        judged = EXPERIMENTS.papers[paper].regression[spec.method]
        wanted = {(spec.task, spec.method, metric) for metric in judged.last}
        wanted |= {(spec.task, spec.method, spec.seed, metric) for metric in judged.first}
        assert wanted <= recorded or spec.task not in tasks
