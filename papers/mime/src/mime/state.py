"""What a checkpoint holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import gym
import numpy as np
import torch

from mime.agent import MamlAgent


class TrainState:
    """Everything that must survive a kill: what is learnt, how far it is, and the generator of goals."""

    def __init__(self, agent: MamlAgent, environment: gym.Env) -> None:
        self.agent, self.environment = agent, environment
        self.env_step = self.iteration = 0

    def save(self, folder: Path) -> None:
        """Write state.pt, which holds tensors, numbers and strings only."""
        name, keys, position, has_gauss, gauss = self.environment.np_random.get_state()
        goals = {"name": name, "keys": torch.from_numpy(keys.astype(np.int64)), "position": position,
                 "has_gauss": has_gauss, "gauss": gauss}  # fmt: skip
        learnt = {name: value.cpu() for name, value in self.agent.state().items()}
        state = {"env_step": self.env_step, "iteration": self.iteration, "goals": goals, "learnt": learnt}
        torch.save(state, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Read state.pt back."""
        state = torch.load(folder / "state.pt", weights_only=True)
        self.env_step, self.iteration = state["env_step"], state["iteration"]
        self.agent.load(state["learnt"])
        goals = state["goals"]
        keys = goals["keys"].numpy().astype(np.uint32)
        self.environment.np_random.set_state(
            (goals["name"], keys, goals["position"], goals["has_gauss"], goals["gauss"])
        )


def write_policy(saved: Path, folder: Path) -> None:
    """All of state.pt: it holds what is learnt and the generator of goals, for PEARL its optimisers as well."""
    shutil.copyfile(saved / "state.pt", folder / "state.pt")
