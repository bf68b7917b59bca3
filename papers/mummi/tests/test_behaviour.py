"""The actor's search over rollouts of several environments (card 5.8; test_agent.py has the rest)."""

from __future__ import annotations

import tensorflow as tf
from numpy.testing import assert_allclose
from toy_agents import ACTION_SIZE, small_agent

from mummi.behaviour import ImaginationNoise
from mummi.noise import acting_noise
from mummi.rssm import Latent

SAMPLES, ROWS = 5, 3


def test_each_environment_takes_the_best_of_its_own_rollouts():
    searching = {"trajectory_opt": False, "forward_search": True, "num_samples": SAMPLES, "shared_noise": False}
    agent = small_agent("cvrl", **searching)
    behaviour = agent.behaviour
    noise = acting_noise(tf.constant((0, 1)), agent.config, ACTION_SIZE, ROWS).imagination
    states = Latent(*(tf.random.stateless_normal((ROWS, part.shape[1]), (2, 3)) for part in agent.blank(ROWS).latent))
    together = behaviour.searched(states, noise, SAMPLES)
    chosen = set()
    for row in range(ROWS):
        own = slice(SAMPLES * row, SAMPLES * (row + 1))
        alone = ImaginationNoise(noise.actions[:, own], noise.latents[:, own])
        repeated = Latent(*(tf.repeat(part[row : row + 1], SAMPLES, 0) for part in states))
        actions = behaviour.sample(repeated, alone.actions[0])
        worth = behaviour.appraise(behaviour.imagine(repeated, alone, actions)).returns[0]
        best = int(tf.argmax(worth))
        chosen.add(best)
        assert_allclose(together[row], actions[best], atol=1e-6)
    assert len(chosen) > 1  # or a search that groups otherwise could pass
