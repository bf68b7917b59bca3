"""The robot tasks as gym 0.22 environments."""

from __future__ import annotations

from typing import Any, ClassVar

import gym
import numpy as np
from gym import spaces

from mi_asym.envs.draws import episode_generator, stream_key
from mi_asym.envs.gridworld import HORIZON
from mi_asym.envs.images import SIZE, observation_of, state_of
from mi_asym.envs.robots.world import RobotWorld


class RobotEnvironment(gym.Env):  # type: ignore[misc]  # gym 0.22 has no types
    """An arm over two look-alikes, of which one cannot move; which one, only the state and a try tell.

    Observation: depth image and a plane that is 1 while the gripper holds something, (2, 84, 84) flat. State: depth
    image and a mask of what can move, likewise flat. Action: (gripper, dx, dy, dz, dyaw) in [-1, 1]. `environment`
    keys the episodes beside the seed; with `mdp` the observation is the state.

    Stand-in: the original's simulation is not public. Scenes, expert and camera follow card 4.5; the state image, the
    drawers and whatever else the card leaves open are ours.
    """

    metadata = {"render.modes": ["rgb_array"]}  # noqa: RUF012  # gym's own attribute
    task: ClassVar[str]
    max_episode_steps = HORIZON

    def __init__(self, environment: int = 0, mdp: bool = False, purpose: str = "train") -> None:
        self.environment, self.mdp, self.purpose = environment, mdp, purpose
        self.world = RobotWorld(self.task)
        size = 2 * SIZE * SIZE
        self.observation_space = spaces.Box(0.0, 1.0, shape=(size,), dtype=np.float64)
        self.state_space = spaces.Box(0.0, 1.0, shape=(size,), dtype=np.float64)
        self.action_space = spaces.Box(-1.0, 1.0, shape=(5,), dtype=np.float32)
        self.image_space = spaces.Box(0.0, 1.0, shape=(2, SIZE, SIZE), dtype=np.float64)
        self.img_size = SIZE
        self.seed(0)

    def seed(self, seed: int | None = None) -> list[int]:
        """Key all episodes to come; the next reset begins episode 0."""
        used = 0 if seed is None else seed
        self.key, self.episode = stream_key(used, self.purpose), -1
        return [used]

    def reset(self) -> np.ndarray:
        """A new episode; returns the observation."""
        self.episode += 1
        self.world.reset(episode_generator(self.key, self.environment, self.episode))
        return self.observation()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """Act; done on success and where the simulation has gone astray."""
        reward, done, success = self.world.step(np.asarray(action, np.float32))
        return self.observation(), reward, done, {"success": success}

    def observation(self) -> np.ndarray:
        """Depth and the holding plane, float64 (14112,), or the state with `mdp`."""
        if self.mdp:
            return self.get_state()
        flat: np.ndarray = observation_of(self.world.depth[None], np.array([self.world.holding]))[0].astype(np.float64)
        return flat

    def get_state(self) -> np.ndarray:
        """Depth and the mask of what can move, float64 (14112,)."""
        flat: np.ndarray = state_of(self.world.depth[None], self.world.mask[None])[0].astype(np.float64)
        return flat

    def query_expert(self, episode: int) -> np.ndarray:
        """The expert's next action in its `episode`-th episode: even ones seek information first (card 4.5)."""
        return self.world.query_expert(seeking=is_seeking(episode))

    def render(self, mode: str = "rgb_array") -> np.ndarray:
        """A colour picture, uint8 (240, 320, 3)."""
        return self.world.frame()

    def close(self) -> None:
        """Free the simulation."""
        self.world.close()


def is_seeking(episode: int) -> bool:
    """Whether the expert's `episode`-th episode tries the object that cannot move first (card 4.5)."""
    return episode % 2 == 0


class BlockPulling(RobotEnvironment):
    """Draw the flat block that can move against the one that cannot. Stand-in: see `RobotEnvironment`."""

    task = "block_pulling"


class BlockPushing(RobotEnvironment):
    """Push the cube that can move to the goal area. Stand-in: see `RobotEnvironment`."""

    task = "block_pushing"


class DrawerOpening(RobotEnvironment):
    """Open the drawer that is not locked. Stand-in: see `RobotEnvironment`."""

    task = "drawer_opening"
