"""Bringing tensors to a card without waiting: tensors are stand-ins, as this environment has no PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

from mirl.sending import sent


class Tensor:
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def pin_memory(self) -> Tensor:
        self.asked.append("pinned")
        return self

    def to(self, device: Any, **options: Any) -> Tensor:
        self.asked.append((str(device), options))
        return self


@pytest.mark.parametrize(
    ("device", "asked"),
    [("cpu", [("cpu", {})]), ("cuda", ["pinned", ("cuda", {"non_blocking": True})]),
     ("cuda:1", ["pinned", ("cuda:1", {"non_blocking": True})])],
)  # fmt: skip
def test_only_a_card_is_sent_to_from_pinned_memory(device: str, asked: list[Any]):
    assert sent(Tensor(), device).asked == asked
