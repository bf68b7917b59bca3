"""Natural video in place of what is dark in the picture (card 4.5)."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
from numpy.typing import NDArray

from mummi.backgrounds import Backgrounds
from mummi.envs.simulator import Observation
from mummi.streams import stream

FOREGROUND = 100
"""Pixels whose red is above this stay."""


class NaturalBackground(gym.Wrapper):  # type: ignore[misc]
    """Shows the next frame of a video behind each observation's image; depth stays as it is.

    The pointer survives the end of an episode: a terminal observation shows frame 0 of the next video, the reset after
    it frame 1. An end that only the outer time limit makes is not seen here, and the video goes on, as in the original.
    """

    def __init__(self, env: gym.Env, backgrounds: Backgrounds) -> None:
        super().__init__(env)
        self.backgrounds = backgrounds
        self.choose()

    def choose(self) -> None:
        """A video drawn uniformly, at frame 0; a pure function of seed, worker and the episode's number."""
        simulator = self.env.unwrapped
        choice = stream(simulator.given_seed, "background", simulator.worker, simulator.episode)
        self.video, self.frame = int(choice.integers(self.backgrounds.videos)), 0

    def seed(self, seed: int | None = None) -> Any:
        """Start anew with a video of that seed."""
        seeds = self.env.seed(seed)
        self.choose()
        return seeds

    def reset(self, **arguments: Any) -> Observation:
        """The first observation, before the next frame."""
        return self.blended(self.env.reset(**arguments), done=False)

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, dict[str, Any]]:
        """The observation before the next frame, at an episode's end before another video."""
        observation, reward, done, info = self.env.step(action)
        return self.blended(observation, done), reward, done, info

    def blended(self, observation: Observation, done: bool) -> Observation:
        """Advance the pointer and put the frame behind the robot."""
        if done:
            self.choose()
        else:
            self.frame = (self.frame + 1) % self.backgrounds.frames
        image, behind = observation["image"], self.backgrounds.frame(self.video, self.frame)
        return {**observation, "image": np.where(image[..., :1] > FOREGROUND, image, behind)}

    def state(self) -> dict[str, int]:
        """Between episodes: what the environment inside says, and the pointer."""
        return {**self.env.state(), "video": self.video, "frame": self.frame}

    def load_state(self, state: dict[str, int]) -> None:
        """Continue with that episode and frame."""
        self.env.load_state(state)
        self.video, self.frame = state["video"], state["frame"]
