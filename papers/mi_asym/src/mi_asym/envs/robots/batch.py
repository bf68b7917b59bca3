"""Many robot environments of one task, each with a Bullet simulation of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from mi_asym.envs.draws import stream_key
from mi_asym.envs.grid_batch import Outcome
from mi_asym.envs.images import SIZE, observation_of, state_of
from mi_asym.envs.robots.environment import is_seeking
from mi_asym.envs.robots.share import Pictures, Share
from mi_asym.envs.spec import TaskSpec
from mirl.config import ConfigError
from mirl.workers import Caller, Here, Worker

NOT_ASKED = -1
"""In `queries`: the expert was not asked before this step."""


class RobotBatch:
    """K environments; the k-th equals the gym environment with `environment=k` step by step.

    An episode is a function of its key and its actions, so the batch is saved as actions and goes on by taking them
    again.
    """

    def __init__(
        self, spec: TaskSpec, num_envs: int, seed: int, mdp: bool = False, workers: int = 0, purpose: str = "train"
    ) -> None:
        if workers < 0:
            raise ConfigError(f"--workers must be 0 or more, got {workers}")
        self.spec, self.num_envs, self.mdp = spec, num_envs, mdp
        place = Worker if workers else Here
        edges = np.linspace(0, num_envs, min(workers, num_envs) + 1 if workers else 2).astype(int)
        self.firsts, key = edges[:-1].tolist(), stream_key(seed, purpose)
        self.shares: list[Caller] = [
            place(Share, spec.task, key, int(first), int(last - first)) for first, last in pairwise(edges)
        ]
        self.depth = np.zeros((num_envs, SIZE, SIZE), np.float16)
        self.holding = np.zeros(num_envs, bool)
        self.mask = np.zeros((num_envs, SIZE, SIZE), bool)
        self.episode = np.full(num_envs, -1, np.int64)
        self.episode_step = np.zeros(num_envs, np.int64)
        self.finished = np.ones(num_envs, bool)
        self.actions = np.zeros((num_envs, spec.horizon, 5), np.float32)
        self.queries = np.full((num_envs, spec.horizon), NOT_ASKED, np.int64)

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin a new episode in the environments of `mask`, bool (K,), or in all."""
        which = np.ones(self.num_envs, bool) if mask is None else np.asarray(mask)
        self.episode[which] += 1
        self.begin(which)

    def begin(self, which: np.ndarray) -> None:
        """Begin the episodes that `episode` numbers, where `which`, bool (K,), says so."""
        self.episode_step[which], self.finished[which] = 0, False
        self.actions[which], self.queries[which] = 0.0, NOT_ASKED
        for indices, pictures in self.ask("reset", self.episode, which):
            self.see(indices, pictures)

    def step(self, actions: np.ndarray, active: np.ndarray | None = None) -> Outcome:
        """Act; `actions` is (K, 5), clipped to [-1, 1]. Environments outside `active`, bool (K,), bring nothing."""
        active = np.ones(self.num_envs, bool) if active is None else np.asarray(active)
        if (self.finished & active).any():
            raise RuntimeError("an environment whose episode is over was stepped; reset it first")
        actions = np.asarray(actions, np.float32)
        self.actions[active, self.episode_step[active]] = actions[active]
        self.episode_step += active
        reward = np.zeros(self.num_envs, np.float32)
        ended, success = np.zeros((2, self.num_envs), bool)
        for indices, (arrivals, pictures) in self.ask("step", actions, active):
            reward[indices], ended[indices], success[indices] = arrivals.T
            self.see(indices, pictures)
        timed_out = (self.episode_step >= self.spec.horizon) & active & ~ended
        self.finished |= ended | timed_out
        return Outcome(reward, ended | timed_out, timed_out, success)

    def query_expert(self, episode_index: int | np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """The scripted experts' next actions, float32 (K, 5); to be asked once for every step (card 4.5).

        `episode_index`, an int or (K,), is the number of the expert's episode: even ones seek information first.
        `active`, bool (K,), says where a step will follow; without it, wherever an episode is being played.
        """
        active = ~self.finished if active is None else np.asarray(active)
        numbers = np.broadcast_to(np.asarray(episode_index), (self.num_envs,))
        seeking = np.array([is_seeking(int(number)) for number in numbers])
        self.queries[active, self.episode_step[active]] = seeking[active]
        actions = np.zeros((self.num_envs, 5), np.float32)
        for indices, answer in self.ask("query_expert", seeking, active):
            actions[indices] = answer
        return actions

    def ask(self, method: str, arguments: np.ndarray, which: np.ndarray) -> list[tuple[list[int], Any]]:
        """Call a method of all shares at once, for the environments of `which`: (environments, answer) per share."""
        calls = []
        for first, last, share in zip(self.firsts, [*self.firsts[1:], self.num_envs], self.shares, strict=True):
            indices = [k for k in range(first, last) if which[k]]
            if indices:
                own = {k - first: arguments[k] if arguments.ndim > 1 else arguments[k].item() for k in indices}
                calls.append((indices, share.call(method, own)))
        return [(indices, answer()) for indices, answer in calls]

    def see(self, indices: list[int], pictures: Pictures) -> None:
        """Keep new pictures."""
        self.depth[indices], self.holding[indices], self.mask[indices] = pictures

    def observation(self) -> np.ndarray:
        """float32 (K, 14112), of the present moment."""
        return self.state() if self.mdp else observation_of(self.depth, self.holding)

    def state(self) -> np.ndarray:
        """float32 (K, 14112), of the present moment."""
        return state_of(self.depth, self.mask)

    def frame(self, k: int = 0) -> np.ndarray:
        """A colour picture of one environment, uint8 (240, 320, 3)."""
        share = int(np.searchsorted(self.firsts, k, side="right")) - 1
        picture: np.ndarray = self.shares[share].call("frame", k - self.firsts[share])()
        return picture

    def state_dict(self) -> dict[str, Any]:
        """Which episodes are played and what was done in them, as tensors."""
        import torch  # here, so that a worker process starts without it

        names = ("episode", "episode_step", "finished", "actions", "queries")
        return {name: torch.from_numpy(getattr(self, name).copy()) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`: episodes that are not over are played again up to where they were."""
        saved = {name: value.numpy().copy() for name, value in state.items()}
        for name, value in saved.items():
            setattr(self, name, value.copy())
        playing = ~self.finished
        self.begin(playing)
        for time in range(int(saved["episode_step"][playing].max(initial=0))):
            active = playing & (saved["episode_step"] > time)
            asked = active & (saved["queries"][:, time] != NOT_ASKED)
            if asked.any():
                self.query_expert(1 - saved["queries"][:, time], asked)
            self.step(saved["actions"][:, time], active)
        self.finished = saved["finished"]

    def close(self) -> None:
        """Free simulations and processes."""
        for share in self.shares:
            share.close()
        self.shares, self.firsts = [], []
