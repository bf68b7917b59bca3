"""What is learnt from, and what a checkpoint remembers of it (card 5.10, 5.11; test_train.py has the schedule)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_agents import made_up_batch, small_agent, small_config

from mummi.learner import Learner
from mummi.replay import Replay


def numbered(folder: Path, entries: int = 8) -> Replay:
    """A replay of one episode whose rewards are the numbers of its entries."""
    one = made_up_batch(small_config("mummi", batch_size=1, batch_length=entries))
    replay = Replay(folder)
    replay.add({name: array[0] for name, array in one.items()} | {"reward": np.arange(entries, dtype=np.float16)})
    return replay


@pytest.mark.parametrize(("balance", "starts"), [(False, {0: 1 / 3, 1: 1 / 3, 2: 1 / 3}),
                                                 (True, {0: 1 / 8, 1: 1 / 8, 2: 1 / 8, 3: 5 / 8})])  # fmt: skip
def test_balanced_batches_begin_late_more_often(tmp_path: Path, balance: bool, starts: dict[int, float]):
    """Sequences of 5 of 8 entries: the last one that fits begins at 3 and, balanced, stands for 3 to 7."""
    agent = small_agent("mummi", dataset_balance=balance, batch_size=200)
    drawn = Learner(agent, numbered(tmp_path), seed=0).batch(0)["reward"][:, 0]
    assert set(drawn) == set(starts)
    for start, share in starts.items():
        assert np.mean(drawn == start) == pytest.approx(share, abs=0.1)


class CountingAgent:
    """Learns nothing; the loss of gradient step n is n + 1."""

    learnt = ("reward",)

    def __init__(self, clock: list[float] | None = None, seconds_each: float = 0.0) -> None:
        self.config = small_config("mummi", updates_per_call=5)
        self.clock, self.seconds_each = clock or [0.0], seconds_each
        self.calls: list[int] = []

    def learn(self, batches: Any, first: int) -> dict[str, np.ndarray]:
        self.calls.append(len(batches))
        self.clock[0] += self.seconds_each * len(batches)
        return {"loss/model": first + 1 + np.arange(len(batches), dtype=np.float32)}


def test_a_checkpoint_keeps_the_losses_that_were_not_reported_yet(tmp_path: Path):
    replay = numbered(tmp_path)
    before, after = (Learner(CountingAgent(), replay, seed=0) for _ in range(2))  # type: ignore[arg-type]
    before.due(40)
    before.learn(3)
    after.load(json.loads(json.dumps(before.state())))
    after.learn(2)
    assert after.report() == {"loss/model": (1 + 2 + 3 + 4 + 5) / 5}
    after.learn(1)
    assert after.report() == {"loss/model": 6}
    assert (after.updates, after.last_trigger) == (6, 40)


@pytest.mark.parametrize(
    ("seconds_each", "calls"), [(0.1, [1, 5, 5, 1]), (2.0, [1, 2, 2, 2, 2, 2, 1]), (9.0, [1] * 12)]
)
def test_a_call_is_short_enough_for_a_signal_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_each: float, calls: list[int]
):
    """5 seconds hold 50 gradient steps, of which a call takes five, or two, or none: then it makes one all the same."""
    clock = [0.0]
    monkeypatch.setattr("mummi.learner.time.monotonic", lambda: clock[0])
    agent = CountingAgent(clock, seconds_each)
    learner = Learner(agent, numbered(tmp_path), seed=0)  # type: ignore[arg-type]
    learner.owed = 12
    while learner.owed:
        learner.pay(learner.owed)
    assert agent.calls == calls
    assert learner.report() == {"loss/model": sum(range(1, 13)) / 12}
