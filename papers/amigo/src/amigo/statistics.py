"""Means of what updates and episodes tell between two rows of metrics.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from amigo.unrolls import Unrolls

LATEST = ("train/difficulty", "train/pool", "train/teacher_updates", "train/learning_rate")
"""Told as they are, not as means."""
EPISODES = "train/episodes"
"""How many episodes the means of `train/return`, `train/success` and `train/length` are of."""


class Means:
    """Sums and counts by name."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def add(self, metrics: Mapping[str, float]) -> None:
        """One more value of each."""
        for name, value in metrics.items():
            started = name in self.sums and name not in LATEST
            self.sums[name] = (self.sums[name] if started else 0.0) + value
            self.counts[name] = (self.counts[name] if started else 0.0) + 1

    def take(self) -> dict[str, float]:
        """The means, in the order of their names, and the number of episodes; then begin anew."""
        means = {name: self.sums[name] / self.counts[name] for name in sorted(self.sums)}
        means[EPISODES] = self.counts.get("train/return", 0.0)
        self.sums, self.counts = {}, {}
        return means

    def state(self) -> dict[str, dict[str, float]]:
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load(self, state: Mapping[str, Mapping[str, float]]) -> None:
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])


def ended_episodes(unrolls: Unrolls) -> list[dict[str, float]]:
    """Return, success and length of every episode that ended in slots 1 to T."""
    ended = unrolls.done[1:]
    returns, lengths = unrolls.episode_return[1:][ended], unrolls.episode_length[1:][ended]
    successes = unrolls.reward[1:][ended] > 0
    return [
        {"train/return": float(total), "train/success": float(success), "train/length": float(length)}
        for total, length, success in zip(returns, lengths, successes, strict=True)
    ]


def rows_of_updates(updates: Sequence[Mapping[str, torch.Tensor | float]]) -> list[dict[str, float]]:
    """Tensors, float32 scalars, as numbers: a GPU is waited for once for all of them."""
    tensors = [value for metrics in updates for value in metrics.values() if isinstance(value, torch.Tensor)]
    numbers = iter(torch.stack(tensors).tolist() if tensors else [])
    return [
        {name: next(numbers) if isinstance(value, torch.Tensor) else float(value) for name, value in metrics.items()}
        for metrics in updates
    ]
