"""dm_control's tasks, and table wiping, as a gym 0.17.2 environment without pictures (card 4.1)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import gym
import numpy as np
from gym import spaces
from numpy.typing import NDArray

from mummi.envs.graphics import choose
from mummi.envs.models import COUNTING_CONTACTS, TOUCH_SENSORS, model_of
from mummi.envs.tasks import TASKS
from mummi.streams import derived_seed

Observation = dict[str, NDArray[Any]]


class Simulator(gym.Env):  # type: ignore[misc]
    """One task; an observation holds the suite's state, `touch` and, where the original counted them, `n_contact`.

    Actions lie in dm_control's own ranges. Episode n is a pure function of (seed, worker, n) and the actions.
    """

    metadata: ClassVar[dict[str, list[str]]] = {"render.modes": ["rgb_array"]}

    def __init__(self, task: str, worker: int = 0) -> None:
        """RenderingError where no drawing library is installed: dm_control cannot be imported without."""
        choose()
        self.domain, name, self.camera_number, *_ = TASKS[task]
        self.environment = load(self.domain, name)
        self.touch_sensors = TOUCH_SENSORS.get(self.domain, ())
        self.counts_contacts = self.domain in COUNTING_CONTACTS
        limits = self.environment.action_spec()
        low, high = (np.broadcast_to(bound, limits.shape) for bound in (limits.minimum, limits.maximum))
        self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        self.worker = worker
        self.seed(0)
        first = self.observed(self.environment.reset().observation)
        self.observation_space = spaces.Dict({key: unbounded(value) for key, value in first.items()})

    @property
    def physics(self) -> Any:
        """dm_control's simulation."""
        return self.environment.physics

    def seed(self, seed: int | None = None) -> list[int]:
        """Start anew at episode 0 of that seed."""
        self.given_seed, self.episode = int(seed or 0), 0
        return [self.given_seed]

    def reset(self) -> Observation:
        """The next episode's first observation."""
        key = derived_seed(self.given_seed, "simulator", self.worker, self.episode)
        self.environment.task.random.seed(key % 2**32)
        self.episode += 1
        return self.observed(self.environment.reset().observation)

    def step(self, action: NDArray[np.floating[Any]]) -> tuple[Observation, float, bool, dict[str, Any]]:
        """One control step; info holds dm_control's `discount`, 1 at its own time limit."""
        moment = self.environment.step(action)
        info = {"discount": np.float32(moment.discount)}
        return self.observed(moment.observation), float(moment.reward or 0.0), moment.last(), info

    def render(self, mode: str = "rgb_array", width: int = 320, height: int = 240) -> NDArray[np.uint8]:
        """(height, width, 3): the task's camera now, without a video behind. ValueError for another `mode`."""
        if mode != "rgb_array":
            raise ValueError(f"mode must be rgb_array, got {mode}")
        picture: NDArray[np.uint8] = self.physics.render(height, width, self.camera_number)
        return picture

    def observed(self, observation: Observation) -> Observation:
        """What the suite says, what the added sensors feel (newtons), and the number of contacts."""
        data = self.physics.named.data
        felt = {}
        if self.touch_sensors:
            felt["touch"] = np.concatenate([data.sensordata[name] for name in self.touch_sensors])
        if self.counts_contacts:
            felt["n_contact"] = np.asarray(self.physics.data.ncon, dtype=np.int64)
        return {key: np.asarray(value) for key, value in {**observation, **felt}.items()}

    def state(self) -> dict[str, int]:
        """Between episodes: the number of the next one."""
        return {"episode": self.episode}

    def load_state(self, state: dict[str, int]) -> None:
        """Continue with that episode."""
        self.episode = state["episode"]

    def close(self) -> None:
        """Free the simulation and its drawing surface."""
        self.physics.free()


def load(domain: str, name: str) -> Any:
    """dm_control's environment, with touch sensors in its model where the card adds them."""
    if domain == "table_wiping":
        return import_module("mummi.envs.wiping").environment()
    environment = import_module("dm_control.suite").load(domain, name)
    if domain in TOUCH_SENSORS:
        environment.physics.reload_from_xml_string(*model_of(domain))
    return environment


def unbounded(value: NDArray[Any]) -> spaces.Box:
    """The space of one observation."""
    return spaces.Box(-np.inf, np.inf, value.shape, np.float32)
