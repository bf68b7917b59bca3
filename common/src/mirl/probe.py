"""A method on a device, in pieces that can be compared with another device's, counted and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Probe:
    """What a paper makes for one task, method and device; weights, batch and random numbers are the same on all."""

    act: Callable[[], int]
    """Plays some turns of all environments; returns environment steps."""
    turns: int
    """How many turns `act` plays. One decision of the policy for all environments is one turn."""
    update: Callable[[], Mapping[str, Any]]
    """One update on a batch that is the same each time; losses by name, numbers or tensors without dimensions."""
    learnt: Callable[[], Mapping[str, Any]]
    """What the last update had to say of each network: gradients where there are any, else how far it moved; tensors by
    name."""


def gradients_of(networks: Mapping[str, Any]) -> dict[str, Any]:
    """name/parameter -> gradient, of PyTorch modules by name; parameters without one are left out."""
    return {
        f"{name}/{parameter}": value.grad
        for name, network in networks.items()
        for parameter, value in network.named_parameters()
        if value.grad is not None
    }


def copied(state: Any) -> Any:
    """Nested dictionaries, their tensors copied."""
    if isinstance(state, Mapping):
        return {name: copied(value) for name, value in state.items()}
    return state.clone() if hasattr(state, "clone") else state
