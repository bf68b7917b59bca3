"""Many Panda environments as one: Bullet holds the interpreter lock, so slots are shared out among processes.

Every number equals what `PandaPush` gives slot by slot, however many processes there are
(tests/test_envs_panda.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirl.workers import Caller, Here, Worker, gather
from sami.envs.episodes import Context, Episode, SlotStep, checked_actions, scaled_action, slot_seed
from sami.envs.panda import HORIZON, PandaPush, context_of
from sami.envs.panda_scene import KEYS
from sami.settings import TaskTuple, checked_tuple


class SlotResult(NamedTuple):
    """One step of one slot."""

    observation: NDArray[np.float32]
    terminal: NDArray[np.float32]
    reward: float
    done: bool
    success: bool
    finished: Episode | None


class Share:
    """The environments that one process plays."""

    def __init__(self, slots: Sequence[int], tuples: Sequence[TaskTuple], seeds: Sequence[int], horizon: int) -> None:
        self.slots = tuple(slots)
        self.environments = [
            PandaPush(parameters=parameters, horizon=horizon, seed=seed)
            for parameters, seed in zip(tuples, seeds, strict=True)
        ]
        self.letters = [""] * len(self.slots)

    def reset(self, episodes: Sequence[int | None]) -> list[NDArray[np.float32]]:
        """The next episode everywhere, or those of the numbers."""
        self.letters = [""] * len(self.slots)
        for environment, episode in zip(self.environments, episodes, strict=True):
            if episode is not None:
                environment.episode = episode - 1
        return [flat(environment.reset()) for environment in self.environments]

    def step(self, actions: Sequence[NDArray[np.float32]]) -> list[SlotResult]:
        """One step everywhere; a finished episode is followed by the next."""
        return [self.step_one(index, action) for index, action in enumerate(actions)]

    def step_one(self, index: int, action: NDArray[np.float32]) -> SlotResult:
        """One step of one environment."""
        environment = self.environments[index]
        observation, reward, done, info = environment.step(action)
        seen = terminal = flat(observation)
        finished = None
        if done:
            finished = Episode(
                self.slots[index], environment.total_reward, reward, environment.length, info["is_success"],
                self.letters[index], environment.context,
            )  # fmt: skip
            self.letters[index] = ""
            seen = flat(environment.reset())
        else:  # as released, the step that ends an episode has no part in its skill
            self.letters[index] += info["skill"]
        return SlotResult(seen, terminal, reward, done, info["is_success"], finished)

    def state(self) -> list[dict[str, Any]]:
        """Episode number and the actions since its start: Bullet repeats an episode exactly."""
        return [
            {"stream": each.stream, "episode": each.episode, "actions": [action.tolist() for action in each.actions]}
            for each in self.environments
        ]

    def load(self, states: Sequence[dict[str, Any]]) -> list[NDArray[np.float32]]:
        """Come to where `state` was taken; returns the observations."""
        observations = []
        for index, (environment, state) in enumerate(zip(self.environments, states, strict=True)):
            environment.stream = state["stream"]
            actions = np.array(state["actions"], dtype=np.float32).reshape(-1, 4)
            if state["episode"] < 0:
                environment.episode = -1
                observations.append(np.zeros(sum(KEYS.values()), dtype=np.float32))
                continue
            letters: list[str] = []
            observations.append(flat(environment.replay(state["episode"], actions, letters)))
            self.letters[index] = "".join(letters)
        return observations

    def render(self, index: int, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) of one environment."""
        return self.environments[index].render(width=width, height=height)

    def close(self) -> None:
        """Let go of the simulators."""
        for environment in self.environments:
            environment.close()


def flat(observation: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The parts one after the other, by name."""
    return np.concatenate([observation[key] for key in KEYS])


class PandaSlots:
    """One scene per task tuple; see `sami.envs.episodes.Slots`."""

    action_index = KEYS["achieved_goal"]
    observation_size, action_size = sum(KEYS.values()), 4

    def __init__(self, tuples: Sequence[TaskTuple], seed: int, horizon: int | None = None, threads: int = 1) -> None:
        self.tuples = tuple(checked_tuple("panda", each) for each in tuples)
        self.horizon = horizon or HORIZON
        seeds = [slot_seed(seed, slot) for slot in range(self.n_slots)]
        self.parts = [part for part in np.array_split(np.arange(self.n_slots), max(1, threads)) if len(part)]
        place = Here if len(self.parts) == 1 else Worker
        self.shares: list[Caller] = [
            place(Share, [int(k) for k in part], [self.tuples[k] for k in part], [seeds[k] for k in part], self.horizon)
            for part in self.parts
        ]
        self.seen = np.zeros((self.n_slots, self.observation_size), dtype=np.float32)

    @property
    def n_slots(self) -> int:
        """One per tuple."""
        return len(self.tuples)

    def everywhere(self, name: str, *arguments: Sequence[Any]) -> list[Any]:
        """Call a method of every share, each with its part of the arguments; answers in slot order."""
        begun = [
            share.call(name, *([argument[k] for k in part] for argument in arguments))
            for share, part in zip(self.shares, self.parts, strict=True)
        ]
        return [answer for answers in gather(begun) for answer in answers]

    def reset(self, episode: int | None = None) -> NDArray[np.float32]:
        """The next episode in every slot, or the one of that number."""
        self.seen = np.stack(self.everywhere("reset", [episode] * self.n_slots))
        return self.observation()

    def observation(self) -> NDArray[np.float32]:
        """(slots, 25) of now: achieved goal, desired goal, observation."""
        return self.seen.copy()

    def step(self, actions: object) -> SlotStep:
        """One control step of every slot; those that end start again."""
        given = checked_actions(actions, (self.n_slots, self.action_size))
        results = self.everywhere("step", list(scaled_action(given, np.float32(-1), np.float32(1))))
        self.seen = np.stack([each.observation for each in results])
        success = np.array([each.success for each in results])
        return SlotStep(
            self.observation(),
            np.array([each.reward for each in results], dtype=np.float32),
            success,
            np.array([each.done for each in results]),
            success.copy(),
            np.stack([each.terminal for each in results]),
            tuple(each.finished for each in results if each.finished is not None),
        )

    def context(self, slot: int) -> Context:
        """Friction and mass, the same in every episode."""
        return context_of(self.tuples[slot])

    def render(self, slot: int, width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3) of a slot as it is now."""
        for share, part in zip(self.shares, self.parts, strict=True):
            if slot in part:
                picture: NDArray[np.uint8] = share.call("render", slot - int(part[0]), width, height)()
                return picture
        raise ValueError(f"slots are 0-{self.n_slots - 1}, got {slot}")

    def state_dict(self) -> dict[str, Any]:
        """What a continued run needs: Bullet repeats the running episodes from their actions."""
        return {"slots": self.everywhere("state")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict` bit for bit. ValueError where it is of other slots."""
        if len(state["slots"]) != self.n_slots:
            raise ValueError(f"the state is of {len(state['slots'])} slots, these are {self.n_slots}")
        self.seen = np.stack(self.everywhere("load", state["slots"]))

    def close(self) -> None:
        """Let go of simulators and processes."""
        for share in self.shares:
            share.close()
        self.shares = []
