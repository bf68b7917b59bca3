from __future__ import annotations

import numpy as np

from mirl.policy import blank


class Tensor:
    """As much of a framework's tensor as `blank` asks for."""

    def __init__(self, *values: float) -> None:
        self.values = np.array(values)
        self.shape = self.values.shape

    def new_zeros(self, shape: tuple[int, ...]) -> Tensor:
        return Tensor(*np.zeros(shape))


def test_what_only_training_needs_becomes_zeros_and_all_else_stays() -> None:
    state = {
        "agent": {"actor": {"weight": Tensor(1, 2)}, "actor_optimiser": {"state": {0: [Tensor(3), 7, "adam"]}}},
        "env_step": 20,
    }
    found = blank(state, ["agent/actor"])
    assert found["agent"]["actor"]["weight"] is state["agent"]["actor"]["weight"]  # type: ignore[index]
    first, *rest = found["agent"]["actor_optimiser"]["state"][0]
    assert (list(first.values), rest, found["env_step"]) == ([0.0], [7, "adam"], 20)
    assert state["agent"]["actor_optimiser"]["state"][0][0].values == 3  # type: ignore[index]
