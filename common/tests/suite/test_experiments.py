from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mirl.config import ConfigError
from mirl.suite import experiments as registry

COST = {"env_steps_per_s": 10, "memory_mib": 10}
TASK = {
    "title": "a line",
    "methods": ["ours", "theirs"],
    "metric": {"name": "eval/return", "unit": "points"},
    "margin": 1.0,
    "cost": {"ours": COST, "theirs": COST},
}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("margin: 1.0", "margin: -1.0", "papers.toy.tasks.line.margin: .*greater than 0, got -1.0"),
        ("margin: 1.0", "marjin: 1.0", "papers.toy.tasks.line.margin: Field required"),
        ("fidelity: faithful", "fidelity: loose", "fidelity loose is not among faithful"),
        ("worse: drift", "worse: drfit", "claim choosy: no method drfit on task line"),
        ("tiny: {env_steps: 200, seeds: [0, 1]}", "", "budget tiny is missing"),
        ("drift@slow:", "drift@slwo:", "a cost is of variant slwo, which there is not"),
        ("drift@slow:", "drfit@slow:", "cost: no method drfit"),
        ("version: 1", "version: [", "is not valid YAML"),
        ("drift: {last:", "drift: {metrics:", "papers.toy.regression.drift.last: Field required, got .*metrics"),
        ("drift: {last: [eval/return]", "drift: {last: []", "regression.drift.last: .*at least 1 item"),
        ("drift: {last: [eval/return]", "drift: {last: [a/a, a/b, a/c]", "at most three metrics, here are 4"),
        ("drift: {last: [eval/return]", "drift: {last: [train/return]", "train/return stands there twice"),
    ],
)
def test_a_fault_in_reproduce_yaml_is_one_line_that_names_its_place(root: Path, old: str, new: str, message: str):
    path = root / "reproduce.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message) as caught:
        registry.load(path)
    assert "\n" not in str(caught.value)


def test_the_repository_is_found_from_any_folder_in_it(root: Path, tmp_path_factory: pytest.TempPathFactory):
    assert registry.find_root(root / "papers/toy") == root
    with pytest.raises(ConfigError, match=r"no reproduce\.yaml"):
        registry.find_root(tmp_path_factory.mktemp("elsewhere"))


def test_a_method_may_run_another_budget_with_fields_of_its_own():
    budgets = {
        name: {"env_steps": 100, "seeds": [0], "overrides": {"fast": True}} for name in registry.BUDGETS
    }  # fmt: skip
    budgets["tiny"]["methods"] = {"theirs": {"env_steps": 7, "overrides": {"batch_size": 4}}}
    budgets["paper"]["methods"] = {"theirs": {"overrides": {}}}
    task = registry.Task.model_validate({**TASK, "budgets": budgets})
    tiny, paper = task.budgets["tiny"], task.budgets["paper"]
    assert (tiny.of("ours").env_steps, tiny.of("ours").overrides) == (100, {"fast": True})
    assert (tiny.of("theirs").env_steps, tiny.of("theirs").overrides) == (7, {"batch_size": 4})
    assert (paper.of("theirs").env_steps, paper.of("theirs").overrides) == (100, {})
    assert task.of("theirs").budgets["tiny"].env_steps == 7


def test_a_budget_of_a_method_that_the_task_does_not_have_is_refused():
    budgets = {name: {"env_steps": 100, "seeds": [0], "methods": {"nobody": {}}} for name in registry.BUDGETS}
    with pytest.raises(ValidationError, match="budget tiny: no method nobody"):
        registry.Task.model_validate({**TASK, "budgets": budgets})


@pytest.mark.parametrize(("empty", "place"), [("papers: {}", "papers"), ("tasks: {}", "papers.toy.tasks")])
def test_a_registration_of_nothing_is_refused(root: Path, empty: str, place: str):
    path = root / "reproduce.yaml"
    whole = path.read_text()
    path.write_text(whole[: whole.index(empty.split(":")[0] + ":")] + empty + "\n")
    with pytest.raises(ConfigError, match=rf"reproduce\.yaml: {place}: Dictionary should have at least 1 item"):
        registry.load(path)
