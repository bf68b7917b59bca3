"""train_result.csv and test_result.csv: every column holds the metric that it is named for (card 6)."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from toys import some_experience

from mime.config import configure
from mime.envs.ml10 import TEST_CLASSES, TRAIN_CLASSES
from mime.evaluate import TestBatch, agent_for, metrics_of, table_of
from mime.files import write_training_files
from mime.surrogate import MetaBatch
from mirl.run import Header

METRICS = {
    "Train-0/Returns": "train/return",
    "Train-0/Success": "train/success",
    "Valid/Returns": "train/adapted_return",
    "Valid/Success": "train/adapted_success",
    "Dynamics/OldMSELoss": "loss/dynamics_old_mse",
    "Dynamics/NewMSELoss": "loss/dynamics_new_mse",
    "Train-0/IntrinsicReturns": "train/intrinsic_return",
    "Train-0/CombinedReturns": "train/combined_return",
    "Valid/IntrinsicReturns": "train/adapted_intrinsic_return",
    "Valid/CombinedReturns": "train/adapted_combined_return",
    "Eta": "train/eta",
}
CLASS_METRICS = {
    "Train-0/{}/Returns": "train/return_{}",
    "Train-0/{}/Success": "train/success_{}",
    "Valid/{}/Returns": "train/adapted_return_{}",
    "Valid/{}/Success": "train/adapted_success_{}",
}


def test_every_column_of_training_is_the_metric_it_is_named_for(tmp_path: Path):
    expected = METRICS | {
        column.format(name): metric.format(name)
        for name in TRAIN_CLASSES[1:]  # the first was not drawn
        for column, metric in CLASS_METRICS.items()
    }
    others = ("train/trajectory_success", "train/adapted_trajectory_success", "train/travel", "time/update_s")
    value = {metric: float(number) for number, metric in enumerate((*expected.values(), *others), 1)}
    lines = ["env_step,name,value", *(f"600,{metric},{number}" for metric, number in value.items())]
    (tmp_path / "metrics.csv").write_text("\n".join(lines) + "\n")
    config = configure("ml10", "mime", "faithful")
    header = Header("mime", "ml10", "mime", 0, "faithful", "cpu", "")
    write_training_files(tmp_path, header, config, agent_for("ml10", config, 0, "cpu"))  # type: ignore[arg-type]
    names, numbers = (line.split(",") for line in (tmp_path / "train_result.csv").read_text().splitlines())
    found = {name: float(number) for name, number in zip(names, numbers, strict=True)}
    assert (found.pop("TotalEnvSteps"), found.pop("Iteration")) == (600, 0)
    assert all(math.isnan(found.pop(column.format(TRAIN_CLASSES[0]))) for column in CLASS_METRICS)
    assert found == {column: value[metric] for column, metric in expected.items()}


def a_test_of_two_steps() -> TestBatch:
    """Two tasks of the first test class and one of the second, two episodes each; one episode succeeds, at the end."""
    tasks = [{"class": name, "goal": 0} for name in (TEST_CLASSES[0], TEST_CLASSES[1], TEST_CLASSES[0])]
    none = torch.zeros(3, 2).tolist()
    phases = [
        some_experience([[1, 2], [3, 5], [5, 8]], none, intrinsic_return=0.1, combined_return=0.2),
        some_experience([[2, 4], [6, 10], [10, 16]], none, intrinsic_return=0.3, combined_return=0.4),
        some_experience(
            [[10, 20], [30, 50], [50, 80]], [[0, 1], [0, 0], [0, 0]], intrinsic_return=0.5, combined_return=0.6
        ),
    ]
    return TestBatch(tasks, MetaBatch(phases[:2], phases[2]))


def test_every_column_of_a_test_is_its_phases_and_its_classes():
    first, second = TEST_CLASSES[:2]
    (row,) = table_of([a_test_of_two_steps()], exploring=True)
    returns = {"Train-0": 4.0, "Train-1": 8.0, "Valid": 40.0}
    bonus = {"Train-0": (0.1, 0.2), "Train-1": (0.3, 0.4), "Valid": (0.5, 0.6)}
    for phase in returns:
        assert row.pop(f"{phase}/Returns") == returns[phase]
        assert row.pop(f"{phase}/{first}/Returns") == returns[phase]
        assert row.pop(f"{phase}/{second}/Returns") == returns[phase]
        assert (row.pop(f"{phase}/IntrinsicReturns"), row.pop(f"{phase}/CombinedReturns")) == bonus[phase]
        success = 1.0 if phase == "Valid" else 0.0
        assert row.pop(f"{phase}/Success") == torch.tensor(success / 3).item()  # of three tasks, not of six episodes
        assert row.pop(f"{phase}/{first}/Success") == success / 2
        assert row.pop(f"{phase}/{second}/Success") == 0
    assert row == {"Batch": 0}


def test_the_metrics_of_a_test_are_those_of_its_last_and_its_first_phase():
    metrics = metrics_of([a_test_of_two_steps()])
    third, sixth = torch.tensor([1 / 3, 1 / 6]).tolist()
    assert (metrics["eval/return"], metrics["eval/return_unadapted"]) == (40.0, 4.0)
    assert [metrics[f"eval/return_step_{step}"] for step in range(3)] == [4.0, 8.0, 40.0]
    assert (metrics["eval/success"], metrics["eval/trajectory_success"]) == (third, sixth)
    assert (metrics["eval/success_unadapted"], metrics["eval/trajectory_success_unadapted"]) == (0.0, 0.0)
