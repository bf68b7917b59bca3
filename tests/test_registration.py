"""reproduce.yaml against what the papers themselves say."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mirl.suite import experiments as registry
from mirl.suite import runner
from mirl.verdict import bands

ROOT = Path(__file__).parents[1]
EXPERIMENTS = registry.load(ROOT / "reproduce.yaml")


@cache
def described(paper: str) -> dict[str, Any]:
    """What `python -m <paper> describe --json` prints."""
    command = [str(runner.paper_python(ROOT, paper)), "-m", paper, "describe", "--json"]
    description: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return description


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_every_registered_name_is_one_that_the_paper_knows(paper: str):
    entry, said = EXPERIMENTS.papers[paper], described(paper)
    assert set(entry.tasks) <= set(said["tasks"])
    assert set(entry.fidelities) <= set(said["fidelities"])
    for task in entry.tasks.values():
        assert set(task.methods) <= set(said["methods"])


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
@pytest.mark.parametrize("budget", registry.BUDGETS)
def test_every_registered_override_is_a_field_of_the_config(paper: str, budget: str):
    for spec in registry.select(EXPERIMENTS, budget, paper):
        fields = {field["name"] for field in described(paper)["config"][spec.task][spec.method]}
        assert set(runner.registered_fields(EXPERIMENTS, spec)) - {"fidelity"} <= fields


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_the_papers_budget_is_what_the_paper_itself_defaults_to(paper: str):
    for spec in registry.select(EXPERIMENTS, "paper", paper):
        fields = {field["name"]: field["default"] for field in described(paper)["config"][spec.task][spec.method]}
        assert (
            EXPERIMENTS.papers[paper].tasks[spec.task].budgets["paper"].of(spec.method).env_steps
            == fields["total_env_steps"]
        )


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
