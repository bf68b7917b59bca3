"""What a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mi_asym.agents.base import TARGET, Agent
from mi_asym.replay import Replay
from mirl.policy import blank


class Means:
    """Running means of what updates and episodes tell, between two rows of the table."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        """One more of each value, zero-dimensional."""
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means


class TrainState:
    """Everything that must survive a kill. Random numbers are keyed by the counters, so that no generator is kept."""

    def __init__(self, agent: Agent, replay: Replay, environments: Any, judged: Any) -> None:
        """environments: those trained in; judged: those of the evaluation."""
        self.agent, self.replay, self.environments, self.judged = agent, replay, environments, judged
        self.env_step = 0
        self.waves = 0
        """Times that all environments played an episode."""
        self.updates = 0
        self.updates_due = 0
        """Updates that the steps so far have earned and that are not yet done."""
        self.policy_actions = 0
        self.expert_episodes = 0
        """Expert episodes that were kept."""
        self.expert_tried = 0
        self.warmed_up = False
        """Whether the random episodes are over."""
        self.evaluated_at = -1
        """env_step of the last evaluation."""
        self.means = Means()

    COUNTERS = (
        "env_step", "waves", "updates", "updates_due", "policy_actions", "expert_episodes", "expert_tried",
        "warmed_up", "evaluated_at",
    )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write agent.pt, small, and replay.pt; both hold tensors, numbers and strings only."""
        counters = {name: getattr(self, name) for name in self.COUNTERS}
        means = {"sums": {name: value.cpu() for name, value in self.means.sums.items()}, "counts": self.means.counts}
        environments = {"trained": self.environments.state_dict(), "judged": self.judged.state_dict()}
        torch.save(
            {"agent": self.agent.state(), "counters": counters, "means": means, "environments": environments},
            folder / "agent.pt",
        )
        torch.save(self.replay.state(), folder / "replay.pt")

    def load(self, folder: Path) -> None:
        """Read both back."""
        state = read_agent(folder)
        self.agent.load(state["agent"])
        for name, value in state["counters"].items():
            setattr(self, name, value)
        self.means.sums, self.means.counts = state["means"]["sums"], state["means"]["counts"]
        self.environments.load_state_dict(state["environments"]["trained"])
        self.judged.load_state_dict(state["environments"]["judged"])
        self.replay.load(torch.load(folder / "replay.pt", weights_only=True, map_location="cpu"))


def load_agent(agent: Agent, folder: Path) -> None:
    """Give an agent what it was in a checkpoint; a judge needs no more of it."""
    agent.load(read_agent(folder)["agent"])


def read_agent(folder: Path) -> dict[str, Any]:
    """agent.pt of a checkpoint."""
    state: dict[str, Any] = torch.load(folder / "agent.pt", weights_only=True, map_location="cpu")
    return state


def write_policy(saved: Path, folder: Path) -> None:
    """The networks of a checkpoint, targets apart, as evaluation reads them; all other tensors are zeros."""
    state = read_agent(saved)
    networks = [f"agent/parts/{name}" for name in state["agent"]["parts"] if not name.startswith(TARGET)]
    torch.save(blank(state, networks), folder / "agent.pt")
