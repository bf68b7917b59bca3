"""What a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mirl.policy import blank
from sami.agent import Agent
from sami.replay import TrajectoryBuffer
from sami.rollout import Player

POLICY = ("agent/actor", "agent/encoder")
"""What of state.pt is published."""


class TrainState:
    """Everything that must survive a kill: what is learnt, what was played and where every slot stands.

    Random numbers are keyed by the turn of the loop and the gradient step, so that no generator has a state.
    """

    def __init__(self, agent: Agent, player: Player, buffer: TrajectoryBuffer) -> None:
        self.agent, self.player, self.buffer = agent, player, buffer
        self.env_step = self.turn = 0

    def save(self, folder: Path) -> None:
        """Write state.pt (all but trajectories) and replay.pt; tensors, numbers and strings only."""
        learnt = {"agent": self.agent.state(), "player": self.player.state()}
        torch.save(learnt | {"env_step": self.env_step, "turn": self.turn}, folder / "state.pt")
        torch.save(self.buffer.state(), folder / "replay.pt")

    def load(self, folder: Path) -> None:
        """Read them back."""
        state = load_learnt(folder)
        self.env_step, self.turn = state["env_step"], state["turn"]
        self.agent.load(state["agent"])
        self.player.load(state["player"])
        self.buffer.load(torch.load(folder / "replay.pt", weights_only=True))


def load_agent(agent: Agent, folder: Path) -> None:
    """Give an agent what it was in a checkpoint; neither trajectories nor environments are read."""
    agent.load(load_learnt(folder)["agent"])


def load_learnt(folder: Path) -> dict[str, Any]:
    """state.pt of a checkpoint, its tensors on the CPU."""
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True, map_location="cpu")
    return state


def write_policy(saved: Path, folder: Path) -> None:
    """The actor and the context encoder of a checkpoint, as evaluation reads them; all other tensors are zeros."""
    state = torch.load(saved / "state.pt", weights_only=True, map_location="cpu")
    torch.save(blank(state, POLICY), folder / "state.pt")
