"""Panda-gym's pick-and-place scene as SaMI's push task, with a cube and a table of given mass and friction (card 4.5).

panda-gym speaks gymnasium's API; this environment speaks gym 0.23's, as the MuJoCo ones.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gym
import gymnasium
import numpy as np
from numpy.typing import NDArray

from sami.envs.episodes import Context, Options, checked_actions, episode_generator
from sami.envs.panda_scene import KEYS, Scene
from sami.envs.skills import LIFTED, CubeContact, step_skill
from sami.settings import TaskTuple, checked_tuple, task_sets

HORIZON = 50
"""Steps per episode."""
SPACES = {"gym": gym.spaces, "gymnasium": gymnasium.spaces}


def context_of(task: TaskTuple) -> Context:
    """A task by name."""
    return dict(zip(("friction", "mass"), task, strict=True))


class PandaPush(gym.Env):  # type: ignore[misc]  # gym has no types
    """Bring the cube to a goal on the table, by pushing, rolling or carrying it.

    Observation: float32 achieved_goal (3,), desired_goal (3,), observation (19,). Action: (4,) in [-1, 1], motion of
    the end effector and of the fingers. Ends when the cube is within .05 of the goal, or after 50 steps.
    A task is (lateral friction of the table, mass of the cube); Bullet multiplies it with the cube's friction of .5.
    """

    metadata: ClassVar[dict[str, list[str]]] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: str = "panda",
        parameters: TaskTuple | None = None,
        horizon: int | None = None,
        spaces: str = "gym",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        Options(**options)
        self.task = checked_tuple(task, parameters or task_sets(task)["training"].tuples[0])
        self.horizon = horizon or HORIZON
        self.scene = Scene()
        self.context = context_of(self.task)
        self.scene.set_task(**self.context)
        self.seed(seed)
        self.actions: list[NDArray[np.float32]] = []
        library = SPACES[spaces]
        self.action_space = library.Box(-1.0, 1.0, (4,), np.float32)
        boxes = {key: library.Box(-10.0, 10.0, (size,), np.float32) for key, size in KEYS.items()}
        self.observation_space = library.Dict(boxes)

    def seed(self, seed: int | None = None) -> list[int]:
        """Start the stream of episodes that `seed` names, with its first one; None draws a seed."""
        self.stream = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self.episode = -1
        return [self.stream]

    def reset(
        self, *, seed: int | None = None, return_info: bool = False, options: dict[str, Any] | None = None
    ) -> Any:
        """The next episode: cube and goal anew, the arm in its neutral pose. Returns the observation."""
        if seed is not None:
            self.seed(seed)
        self.episode += 1
        self.begin()
        observation = self.scene.observe()
        return (observation, {"context": self.context}) if return_info else observation

    def begin(self) -> None:
        """Set the scene of the running episode."""
        self.scene.begin(episode_generator(self.stream, self.episode))
        self.length, self.total_reward = 0, 0.0
        self.actions = []

    def replay(self, episode: int, actions: Any, letters: list[str]) -> dict[str, NDArray[np.float32]]:
        """Come to where an episode was after some actions, which Bullet repeats exactly; returns the observation.

        `letters` gets the skill of each step.
        """
        self.episode = episode
        self.begin()
        observation = self.scene.observe()
        for action in actions:
            observation, _, _, info = self.step(action)
            letters.append(info["skill"])
        return observation

    def step(self, action: object) -> tuple[dict[str, NDArray[np.float32]], float, bool, dict[str, Any]]:
        """One control step: 20 physics steps of 2 ms."""
        given = checked_actions(action, (4,))
        self.actions.append(given.copy())
        self.scene.act(given)
        observation = self.scene.observe()
        reward, success = self.scene.outcome(observation["achieved_goal"])
        self.length, self.total_reward = self.length + 1, self.total_reward + reward
        info = {
            "is_success": success,
            "episode": {"r": self.total_reward, "l": self.length},
            "context": self.context,
            "skill": step_skill(self.contact()),
        }
        return observation, reward, success or self.length >= self.horizon, info

    def contact(self) -> CubeContact:
        """What the skill classifier reads; contacts are looked for only where the cube is so high that they count."""
        height = self.scene.cube_height
        if height <= LIFTED:
            return CubeContact(height, True, False)
        return CubeContact(height, self.scene.cube_touches_table(), self.scene.fingers_touch_cube())

    def render(self, mode: str = "rgb_array", width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3) by Bullet's own software renderer."""
        return self.scene.picture(width, height)

    def close(self) -> None:
        """Let go of the simulator."""
        self.scene.close()
