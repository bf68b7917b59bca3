"""Meta-World's ML10 in the API of gym 0.17: ten classes of manipulation to learn on, five others to test on.

Source: card 4.4, 7.3. The environments are Meta-World's present ones (v3), with 150 steps an episode as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gym import spaces
from torch import Tensor

from mime.envs.base import MetaEnvironment, Task
from mime.envs.manipulation import ACTION_SIZE, PRESETS, Job, Manipulation, Player, play_all, shared_player
from mime.streams import derived_seed

TRAIN_CLASSES = (
    "reach-v3", "push-v3", "pick-place-v3", "door-open-v3", "drawer-close-v3", "button-press-topdown-v3",
    "peg-insert-side-v3", "window-open-v3", "sweep-v3", "basketball-v3",
)  # fmt: skip
TEST_CLASSES = ("drawer-open-v3", "door-close-v3", "shelf-place-v3", "sweep-into-v3", "lever-pull-v3")
GOALS_PER_CLASS = 50


class MetaWorldML10(MetaEnvironment):
    """The tasks of ML10: a class and one of its fifty goals, which the agent is not shown.

    Observation and reward are those of a preset, float32 (12 or 39,). Action: three moves of the hand and the gripper,
    (4,), clipped to 1. Never ends by itself. A task is {"class": str, "goal": int}; what positions a goal stands for
    is drawn by the class itself from (the environment's seed, class, goal).
    """

    def __init__(
        self, preset: str = "compat12", num_workers: int = 1, normalization_scale: float = 10.0,
        max_episode_steps: int = 150,
    ) -> None:  # fmt: skip
        """`num_workers`: processes that play whole episodes. The last two stand in the paper's settings and mean
        nothing, as in the released code."""
        self.preset, self.num_workers = preset, num_workers
        size = PRESETS[preset].observation_size
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(size,), dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, shape=(ACTION_SIZE,), dtype=np.float32)
        self.player = Player()
        self.seed()
        self.reset_task({"class": TRAIN_CLASSES[0], "goal": 0})

    @property
    def dynamics_size(self) -> int:
        return PRESETS[self.preset].dynamics_size

    def seed(self, seed: int | None = None) -> list[int]:
        """Seed the draws of tasks, and the positions that goals stand for."""
        (self.goals_seed,) = super().seed(seed)
        return [self.goals_seed]

    def sample_tasks(self, number: int) -> list[Task]:
        """Independent, uniform draws from the 500 training tasks."""
        tasks = all_tasks(TRAIN_CLASSES)
        return [tasks[index] for index in self.np_random.randint(len(tasks), size=number)]

    def sample_test_tasks(self, number: int) -> list[Task]:
        """One random task of each test class, whatever `number` is."""
        goals = self.np_random.randint(GOALS_PER_CLASS, size=len(TEST_CLASSES))
        return [{"class": name, "goal": int(goal)} for name, goal in zip(TEST_CLASSES, goals, strict=True)]

    def reset_task(self, task: Task) -> None:
        self.task = task

    def goal_seed(self, task: Task) -> int:
        """What the positions of a task are drawn from."""
        return derived_seed(self.goals_seed, task["goal"], task["class"])

    @property
    def manipulation(self) -> Manipulation:
        """Meta-World's environment of the present class."""
        return self.player.environment(self.task["class"], self.preset)

    def reset(self) -> np.ndarray:
        """Start an episode; returns the observation."""
        return self.manipulation.reset(self.goal_seed(self.task))

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, Any]]:
        """One of the 150 steps."""
        observation, reward, success = self.manipulation.step(action)
        return observation, reward, False, {"task": self.task, "success": success}


class WholeEpisodes:
    """`MetaWorldML10` for many tasks and episodes, which are played from end to end without leaving their process."""

    def __init__(
        self, environment: MetaWorldML10, tasks: Sequence[Task], episodes: int, horizon: int, device: str = "cpu"
    ) -> None:
        self.environment, self.tasks, self.episodes = environment, list(tasks), episodes
        self.horizon, self.device = horizon, device

    def play(self, layers: Sequence[tuple[Tensor, Tensor]], deviations: Tensor) -> tuple[Tensor, ...]:
        """Observations, actions, rewards and successes, (tasks, time, episodes, ...).

        layers: weights (tasks, out, in) and biases (tasks, out) of the policies; deviations: added to the mean
        actions, (tasks, time, episodes, 4).
        """
        policies = [tuple(part.detach().cpu().numpy() for part in layer) for layer in layers]
        added = deviations.detach().cpu().numpy()
        jobs = [
            Job(
                task["class"], self.environment.preset, self.environment.goal_seed(task),
                [(weight[k], bias[k]) for weight, bias in policies], added[k],
            )
            for k, task in enumerate(self.tasks)
        ]  # fmt: skip
        played = play_all(shared_player(self.environment.num_workers), jobs)
        return tuple(torch.from_numpy(np.stack(part)).to(self.device) for part in zip(*played, strict=True))


def all_tasks(classes: Sequence[str]) -> list[Task]:
    """Every goal of every class."""
    return [{"class": name, "goal": goal} for name in classes for goal in range(GOALS_PER_CLASS)]
