"""Training loops: which random numbers and tasks each iteration and each update gets, and what is logged of ML10."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import some_experience

from mime.__main__ import PAPER
from mime.agent import MamlAgent
from mime.envs.ml10 import TRAIN_CLASSES
from mime.pearl.agent import PearlAgent
from mime.pearl.replay import Replay
from mime.streams import Streams
from mime.surrogate import MetaBatch
from mime.train import class_metrics
from mirl.paper import main

SMALL = {
    "maml": "--meta-batch-size 2 --fast-batch-size 2 --evaluation-steps 0 --total-env-steps 800",
    "pearl": "--n-train-tasks 2 --num-initial-steps 50 --num-tasks-sample 1 --num-steps-prior 50 --meta-batch 2 "
    "--num-extra-rl-steps-posterior 50 --num-train-steps-per-itr 3 --num-steps-per-eval 50 --batch-size 8 "
    "--embedding-batch-size 8 --net-size 8 --context-net-size 8 --total-env-steps 300",
}
"""Two iterations on the pendulum, whose episodes start where chance puts them."""
Seen = dict[str, list[torch.Tensor]]


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The numbers drawn from streams of training, by purpose."""
    found: Seen = {}
    drawn = Streams.normal

    def normal(draw: Streams, purpose: str, *shape: int) -> torch.Tensor:
        numbers = drawn(draw, purpose, *shape)
        if "test" not in draw.prefix:
            found.setdefault(purpose, []).append(numbers)
        return numbers

    monkeypatch.setattr(Streams, "normal", normal)
    return found


def watched(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, note: Callable[..., None]) -> None:
    """Let `note` see the arguments of every call of a method."""
    original: Any = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *arguments: (note(*arguments), original(*arguments))[1])


def train(folder: Path, method: str) -> None:
    words = ["train", "--task", "pendulum", "--method", method, "--seed", "0", "--run-dir", str(folder)]
    assert main(PAPER, [*words, "--device", "cpu", "--evaluation-batches", "1", *SMALL[method].split()]) == 0


def assert_all_differ(seen: Seen, times: int) -> None:
    assert seen
    for what, tensors in seen.items():
        assert len(tensors) == times, what
        assert not any(torch.equal(one, other) for one, other in combinations(tensors, 2)), what


def test_every_iteration_has_noise_and_starts_of_its_own(noise: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    starts: Seen = {"before": [], "after": []}

    def note(_agent: MamlAgent, batch: MetaBatch, _draw: Streams) -> None:
        starts["before"].append(batch.train[0].episodes.observations[:, 0])
        starts["after"].append(batch.valid.episodes.observations[:, 0])

    watched(monkeypatch, MamlAgent, "update", note)
    train(tmp_path / "run", "maml")
    assert_all_differ(noise, times=2)
    assert_all_differ(starts, times=2)


def test_every_iteration_of_pearl_has_noise_and_starts_and_every_update_a_batch_of_its_own(
    noise: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    starts: Seen = {"begins": [], "apart": []}
    updates: Seen = {"batch": [], "context": [], "latent": [], "actions": []}

    def note_start(_replay: Replay, _task: int, role: str, rows: torch.Tensor) -> None:
        starts[role].append(rows[0, :3].clone())

    def note_update(_agent: PearlAgent, batch: torch.Tensor, context: torch.Tensor, drawn: Any) -> None:
        for name, tensor in zip(updates, (batch, context, *drawn), strict=True):
            updates[name].append(tensor)

    watched(monkeypatch, Replay, "add", note_start)
    watched(monkeypatch, PearlAgent, "update", note_update)
    train(tmp_path / "run", "pearl")
    before = {purpose for purpose in noise if purpose.startswith("first")}
    assert_all_differ({purpose: noise[purpose] for purpose in before}, times=1)
    assert_all_differ({purpose: noise[purpose] for purpose in noise.keys() - before}, times=2)
    assert_all_differ({"begins": starts["begins"]}, times=2 + 2)
    assert_all_differ({"apart": starts["apart"]}, times=2)
    assert_all_differ(updates, times=2 * 3)


def test_what_is_logged_of_a_class_is_its_tasks_before_and_after_adaptation():
    names = TRAIN_CLASSES[0], TRAIN_CLASSES[1], TRAIN_CLASSES[0]
    tasks = [{"class": name, "goal": 0} for name in names]
    before = some_experience(rewards=[[1, 2], [3, 5], [5, 8]], successes=[[0, 0], [0, 0], [0, 0]])
    after = some_experience(rewards=[[10, 20], [30, 50], [50, 80]], successes=[[0, 1], [0, 0], [0, 0]])
    assert class_metrics(tasks, MetaBatch([before], after)) == {
        f"train/return_{names[0]}": 4.0, f"train/success_{names[0]}": 0.0,
        f"train/return_{names[1]}": 4.0, f"train/success_{names[1]}": 0.0,
        f"train/adapted_return_{names[0]}": 40.0, f"train/adapted_success_{names[0]}": 0.5,
        f"train/adapted_return_{names[1]}": 40.0, f"train/adapted_success_{names[1]}": 0.0,
    }  # fmt: skip
