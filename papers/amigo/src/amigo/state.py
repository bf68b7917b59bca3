"""What a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from amigo.agent import Agent
from amigo.groups import Groups
from amigo.rollout import Actors
from amigo.statistics import Means
from amigo.unrolls import Unrolls, join
from mirl.policy import blank

POLICY = ("agent/student/parameters", "agent/teacher/optimiser/parameters", "agent/teacher/difficulty")
"""What of state.pt is published."""


class TrainState:
    """Everything that must survive a kill: what is learnt, where the actors are, what is not yet learnt from."""

    def __init__(self, agent: Agent, actors: Actors | Groups | None = None) -> None:
        """`actors` None reads what is learnt and leaves the rest."""
        self.agent, self.actors = agent, actors
        self.env_step = self.rounds = 0
        self.leftover: Unrolls | None = None
        """Columns of earlier rounds, fewer than a batch."""
        self.means = Means()
        self.log_length = 0
        """Bytes of logs.csv."""

    def batches(self, unrolls: Unrolls) -> Iterator[Unrolls]:
        """Learner batches of B columns out of a round's, in order; what is left over waits for the next round."""
        columns = join([self.leftover, unrolls]) if self.leftover is not None else unrolls
        size = self.agent.config.batch_size
        whole = columns.columns // size * size
        rest = columns.select(whole, columns.columns)
        self.leftover = rest.clone() if rest.columns else None
        for start in range(0, whole, size):
            yield columns.select(start, start + size)

    def save(self, folder: Path) -> None:
        """Write state.pt, which holds tensors and numbers only."""
        assert self.actors is not None
        torch.save(
            {
                "env_step": self.env_step,
                "rounds": self.rounds,
                "log_length": self.log_length,
                "means": self.means.state(),
                "leftover": self.leftover.tensors() if self.leftover is not None else {},
                "agent": self.agent.state(),
                "actors": self.actors.state(),
            },
            folder / "state.pt",
        )

    def load(self, folder: Path) -> None:
        """Read state.pt back."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self.agent.device)
        self.env_step, self.rounds, self.log_length = state["env_step"], state["rounds"], state["log_length"]
        self.agent.load(state["agent"])
        if self.actors is not None:
            self.means.load(state["means"])
            self.leftover = Unrolls(**state["leftover"]).to("cpu") if state["leftover"] else None
            self.actors.load({name: value.cpu() for name, value in state["actors"].items()})


def write_policy(saved: Path, folder: Path) -> None:
    """Student's and teacher's networks of a checkpoint, as evaluation reads them; all other tensors are zeros."""
    state = torch.load(saved / "state.pt", weights_only=True, map_location="cpu")
    torch.save(blank(state, POLICY), folder / "state.pt")
