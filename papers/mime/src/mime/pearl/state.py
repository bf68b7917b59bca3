"""What a checkpoint of PEARL holds; the replay stands beside it, in shards that are written once."""

from __future__ import annotations

from pathlib import Path

import torch

from mime.pearl.agent import PearlAgent
from mime.pearl.replay import Replay


class PearlState:
    """Everything that must survive a kill: networks, optimisers, replay and how far the run is."""

    def __init__(self, directory: Path, agent: PearlAgent, replay: Replay, with_replay: bool = True) -> None:
        """`with_replay`: whether loading brings back the replay, which a test has no use for."""
        self.folder, self.agent, self.replay, self.with_replay = directory / "replay", agent, replay, with_replay
        self.env_step = self.iteration = 0
        self.updates_left = 0
        """Gradient steps that the present iteration still owes."""

    def save(self, folder: Path) -> None:
        """Write state.pt, and what is new in the replay."""
        self.replay.write_shard(self.folder)
        counters = {"env_step": self.env_step, "iteration": self.iteration, "updates_left": self.updates_left}
        torch.save(counters | {"shards": self.replay.shards, "learnt": self.agent.state()}, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Read both back."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self.agent.device)
        self.env_step, self.iteration = state["env_step"], state["iteration"]
        self.updates_left = state["updates_left"]
        self.agent.load(state["learnt"])
        if self.with_replay:
            self.replay.read_shards(self.folder, state["shards"])
