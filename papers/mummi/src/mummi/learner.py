"""When gradient steps are due, on what, and what is remembered of them (card 5.10, 5.11)."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from mummi.agent import Agent
from mummi.replay import Replay
from mummi.streams import stream

CALL_S = 5.0
"""Seconds that one call of the compiled graph should not outlast where gradient steps are slow: signals wait for it."""


class Learner:
    """Bursts of gradient steps between actions."""

    def __init__(self, agent: Agent, replay: Replay, seed: int) -> None:
        self.agent, self.replay, self.seed, self.config = agent, replay, seed, agent.config
        self.updates = 0
        """Gradient steps so far."""
        self.last_trigger: int | None = None
        """Environment step that the last burst was due at."""
        self.owed = 0
        """Gradient steps of that burst which are still to be made."""
        self.seconds_each = math.inf
        """What a gradient step took in the last call; before the first one nobody knows."""
        self.sums: dict[str, float] = {}
        self.summed = 0

    def due(self, env_step: int) -> int:
        """Gradient steps to make now: `pretrain` the first time, then `train_steps` a period, one period a call."""
        if self.last_trigger is None:
            self.last_trigger = env_step
            return self.config.pretrain
        if env_step >= self.last_trigger + self.config.train_every:
            self.last_trigger += self.config.train_every
            return self.config.train_steps
        return 0

    def pay(self, most: int) -> None:
        """Make up to so many of the gradient steps owed, in a call short enough for a stop signal to wait for."""
        in_time = max(1, int(CALL_S / self.seconds_each))
        updates = min(self.owed, most, self.config.updates_per_call, in_time)
        self.owed -= updates
        self.learn(updates)

    def learn(self, updates: int) -> None:
        """So many gradient steps in one call."""
        numbers, began = range(self.updates, self.updates + updates), time.monotonic()
        batches = [self.batch(number) for number in numbers]
        for name, values in self.agent.learn(batches, self.updates).items():
            for value in values:  # one after another, so that the sum is the same however calls were cut
                self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.updates, self.summed = numbers.stop, self.summed + updates
        self.seconds_each = max(time.monotonic() - began, 1e-6) / updates

    def batch(self, number: int) -> dict[str, Any]:
        """The sequences of a gradient step, keyed by its number."""
        config = self.config
        return self.replay.sample(
            stream(self.seed, "replay", number), config.batch_size, config.batch_length,
            balance=config.dataset_balance, keys=self.agent.learnt, last_entry=config.last_entry,
        )  # fmt: skip

    def is_finite(self) -> bool:
        """Whether no loss since the last report was NaN or infinite."""
        return all(np.isfinite(value) for value in self.sums.values())

    def report(self) -> dict[str, float]:
        """Means since the last report."""
        means = {name: value / self.summed for name, value in self.sums.items()}
        self.sums, self.summed = {}, 0
        return means

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "updates": self.updates, "last_trigger": self.last_trigger, "owed": self.owed, "sums": self.sums,
            "summed": self.summed,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        self.updates, self.last_trigger, self.owed = (state[name] for name in ("updates", "last_trigger", "owed"))
        self.sums, self.summed = dict(state["sums"]), state["summed"]
