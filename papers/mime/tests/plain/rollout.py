"""One gym environment, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence

import gym
import torch
from torch import Tensor

from mime.envs import Task
from mime.networks import Layout
from mime.rollout import Episodes
from plain.maml import policy


def sample(environment: gym.Env, tasks: Sequence[Task], layout: Layout, parameters: Tensor, noise: Tensor) -> Episodes:
    """As `mime.rollout.sample`: parameters (tasks, parameters), noise (tasks, time, episodes, actions)."""
    number, horizon, episodes, _ = noise.shape
    observations = torch.zeros(number, horizon, episodes, environment.observation_space.shape[0])
    actions, rewards, successes = torch.zeros_like(noise), torch.zeros(noise.shape[:3]), torch.zeros(noise.shape[:3])
    for k, task in enumerate(tasks):
        environment.unwrapped.reset_task(task)
        for b in range(episodes):
            observation, done, t = torch.from_numpy(environment.reset()), False, 0
            while not done:
                mean, log_sd = policy(layout, parameters[k], observation)
                observations[k, t, b] = observation
                actions[k, t, b] = mean + log_sd.exp() * noise[k, t, b]
                step = environment.step(actions[k, t, b].numpy())
                observation, rewards[k, t, b], done = torch.from_numpy(step[0]), step[1], step[2]
                successes[k, t, b] = step[3]["success"]
                t += 1
    return Episodes(observations, actions, rewards, successes)
