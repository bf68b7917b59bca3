"""What a checkpoint holds; episodes lie beside it, in the replay's shards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirl.checkpoint import MEND
from mirl.config import ConfigError, first_difference
from mirl.files import read_json, write_json
from mummi.agent import Agent
from mummi.envs.workers import Workers
from mummi.learner import Learner
from mummi.play import Script
from mummi.replay import Replay

OPTIMISER = "_adam/"
"""What the names of an optimiser's numbers hold."""


class TrainState:
    """Everything that must survive a kill.

    No simulator's state is in it: where it is taken in the middle of episodes, the environments are those at the
    episodes' start and the script tells what was done in them since, which is then played again.
    """

    def __init__(
        self, agent: Agent, learner: Learner, replay: Replay, environments: Workers, videos: Mapping[str, Any]
    ) -> None:
        """`videos`: what tells those behind the scene from others."""
        self.agent, self.learner, self.replay, self.environments = agent, learner, replay, environments
        self.videos = dict(videos)
        self.env_step = 0
        self.left_to_collect = 0
        """Environment steps before the next evaluation is due."""
        self.rounds = 0
        """Episodes begun in each environment."""
        self.begin_episodes()

    def begin_episodes(self) -> None:
        """The training environments are between episodes, and nothing has been done in the next ones."""
        self.environments_before, self.script = self.environments.state(), Script()

    def save(self, folder: Path) -> None:
        """weights.npz (networks and optimisers), script.npz and state.json."""
        self.script.save(folder / "script.npz")
        with (folder / "weights.npz").open("wb") as stream:
            np.savez(stream, **self.agent.parameters())
        state = {
            "env_step": self.env_step, "left_to_collect": self.left_to_collect, "rounds": self.rounds,
            "learner": self.learner.state(), "environments": self.environments_before, "replay": self.replay.state(),
            "videos": self.videos,
        }  # fmt: skip
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read them back; raises ConfigError, with nothing changed, where they or the videos do not fit."""
        state: dict[str, Any] = read_json(folder / "state.json")
        refuse_other_videos(state["videos"], self.videos)
        load_weights(self.agent, folder)
        self.env_step, self.left_to_collect, self.rounds = (
            state[name] for name in ("env_step", "left_to_collect", "rounds")
        )
        self.replay.load(state["replay"])
        self.environments.load_state(state["environments"])
        self.begin_episodes()
        self.script.load(folder / "script.npz")
        self.learner.load(state["learner"])


def load_agent(agent: Agent, folder: Path) -> int:
    """Give an agent what it was in a checkpoint, whose env step is returned. It may be tested before other videos than
    it was trained with: results name their source."""
    load_weights(agent, folder)
    return int(read_json(folder / "state.json")["env_step"])


def load_weights(agent: Agent, folder: Path) -> None:
    """Give an agent the weights of a checkpoint; pickled content is refused."""
    try:
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            agent.set_parameters(dict(arrays))
    except ValueError as error:
        raise ConfigError(f"{folder / 'weights.npz'} cannot be read: {error}") from None


def write_policy(saved: Path, folder: Path) -> None:
    """The networks of a checkpoint, and how far it was; the optimisers' moments are zeros."""
    with np.load(saved / "weights.npz", allow_pickle=False) as arrays:
        kept = {name: np.zeros_like(array) if OPTIMISER in name else array for name, array in arrays.items()}
    with (folder / "weights.npz").open("wb") as stream:
        np.savez(stream, **kept)
    write_json(folder / "state.json", {"env_step": read_json(saved / "state.json")["env_step"]})


def refuse_other_videos(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run goes on before the videos that it began with: raises ConfigError that names the first difference."""
    difference = first_difference(before, now)
    if difference:
        raise ConfigError(
            f"the videos behind the scene are not those of the run's start ({difference}); bring them back, or {MEND}"
        )
