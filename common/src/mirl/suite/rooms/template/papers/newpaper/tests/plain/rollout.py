"""Episodes one after another, in gym's own environment."""

from __future__ import annotations

import gym
import torch

from newpaper.envs.cartpole import START
from newpaper.networks import Policy
from newpaper.rollout import Draws


@torch.no_grad()
def play(policy: Policy, environment: gym.Env, draws: Draws) -> list[list[tuple[list[float], int, float]]]:
    """Of each episode a row a step: observation, action, reward. Takes the same random numbers as the batch does."""
    episodes = []
    for number, start in enumerate((2 * draws.starts.double() - 1) * START):
        environment.reset()
        environment.unwrapped.state = tuple(start.tolist())
        seen, rows, done = start.tolist(), list[tuple[list[float], int, float]](), False
        while not done:
            chance = torch.softmax(policy(torch.tensor(seen, dtype=torch.float32)), -1)
            action = int(draws.actions[len(rows), number] >= chance[0])
            after, reward, done, _ = environment.step(action)
            rows.append((seen, action, reward))
            seen = list(after)
        episodes.append(rows)
    return episodes
