"""What a checkpoint holds."""

from __future__ import annotations

from pathlib import Path

import torch

from mirl.policy import blank
from newpaper.agent import Agent

POLICY = ("agent/policy",)
"""What of state.pt is published."""


class TrainState:
    """Everything that must survive a kill. Random numbers are keyed by the number of updates: see streams.py."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.env_step = self.updates = 0

    def save(self, folder: Path) -> None:
        """Write state.pt, which holds tensors, numbers and strings only."""
        state = {"env_step": self.env_step, "updates": self.updates, "agent": self.agent.state()}
        torch.save(state, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Read state.pt back."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self.agent.device)
        self.env_step, self.updates = state["env_step"], state["updates"]
        self.agent.load(state["agent"])


def write_policy(saved: Path, folder: Path) -> None:
    """The policy of a checkpoint, as evaluation reads it; all other tensors are zeros."""
    state = torch.load(saved / "state.pt", weights_only=True, map_location="cpu")
    torch.save(blank(state, POLICY), folder / "state.pt")
