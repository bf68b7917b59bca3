"""How actions are chosen (card 5.8), and what the agent carries from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from toy_agents import ACTION_SIZE, learnt, made_up_batch, small_agent

from mummi.agent import Agent, Memory
from mummi.behaviour import Exploration, explored
from mummi.noise import acting_noise, graph_seed
from mummi.rssm import Latent


def observations(agent: Agent, rows: int, seed: int = 0) -> list[dict[str, Any]]:
    batch = made_up_batch(agent.config, seed, present=1.0)
    return [{name: batch[name][row, 0] for name in agent.observed} for row in range(rows)]


def tensors(given: list[dict[str, Any]]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(np.stack([one[name] for one in given]).astype(np.float32)) for name in given[0]}


def choose(
    agent: Agent, rows: int = 1, number: int = 0, training: bool = False, amount: float = 0.0, **given: Any
) -> Memory:
    """Without a graph: one choice from a blank memory."""
    noise = acting_noise(tf.constant(graph_seed(0, "test", number)), agent.config, ACTION_SIZE, rows)
    memory = given.get("memory", agent.blank(rows))
    seen = given.get("seen", tensors(observations(agent, rows)))
    keep = given.get("keep", tf.ones((rows, 1)))
    return agent.choose_with(seen, memory, keep, tf.constant(training), tf.constant(amount), noise)


def test_a_reset_forgets_what_came_before():
    agent = small_agent("mummi")
    full = Memory(Latent(*(part + 3.0 for part in agent.blank(1).latent)), tf.ones((1, ACTION_SIZE)))
    forgotten = choose(agent, memory=full, keep=tf.zeros((1, 1)))
    fresh, kept = choose(agent), choose(agent, memory=full)
    assert_allclose(forgotten.action, fresh.action)
    assert not np.allclose(kept.action, fresh.action)


def test_trajectory_optimisation_moves_the_sample_along_the_returns_gradient():
    moved, still = small_agent("mummi"), small_agent("mummi", trajectory_opt=False)
    sample = choose(still, training=True).action
    got = choose(moved).action
    step = moved.config.traj_opt_lr  # type: ignore[attr-defined]
    noise = acting_noise(tf.constant(graph_seed(0, "test", 0)), moved.config, ACTION_SIZE, 1)
    latent = choose(still, training=True).latent

    later, state = [], moved.model.rssm.prior_step(latent, sample, noise.imagination.latents[0])
    for eps, for_latent in zip(noise.imagination.actions[1:], noise.imagination.latents[1:], strict=True):
        later.append(moved.behaviour.sample(state, eps))
        state = moved.model.rssm.prior_step(state, later[-1], for_latent)

    def worth(action: np.ndarray) -> float:
        """Of a first action, the later ones left as they were: they see features through a stop-gradient."""
        state, features = latent, []
        for one, for_latent in zip([action, *later], noise.imagination.latents, strict=True):
            state = moved.model.rssm.prior_step(state, one, for_latent)
            features.append(state.feature)
        return float(moved.behaviour.appraise(tf.stack(features)).returns[0, 0])

    gradient = (got - sample).numpy() / step
    for number in range(ACTION_SIZE):
        nudge = np.zeros((1, ACTION_SIZE), np.float32)
        nudge[0, number] = 2e-2
        slope = (worth(sample.numpy() + nudge) - worth(sample.numpy() - nudge)) / 4e-2
        assert_allclose(gradient[0, number], slope, atol=1e-3, rtol=0.02)
    assert np.abs(gradient).max() > 1e-4


def test_forward_search_takes_the_first_action_of_the_best_rollout():
    agent = small_agent("cvrl", trajectory_opt=False, forward_search=True, num_samples=7)
    memory = choose(agent)
    noise = acting_noise(tf.constant(graph_seed(0, "test", 0)), agent.config, ACTION_SIZE, 1)
    repeated = Latent(*(tf.repeat(part, 7, 0) for part in memory.latent))
    actions = agent.behaviour.sample(repeated, noise.imagination.actions[0])
    worth = agent.behaviour.appraise(agent.behaviour.imagine(repeated, noise.imagination, actions)).returns[0]
    assert_allclose(memory.action[0], actions[int(tf.argmax(worth))])


def test_dreamer_samples_in_training_and_takes_the_mode_in_evaluation():
    agent = small_agent("dreamer")
    modes = [choose(agent, number=number, training=False) for number in range(2)]
    samples = [choose(agent, number=number, training=True).action for number in range(2)]
    noise = acting_noise(tf.constant(graph_seed(0, "test", 0)), agent.config, ACTION_SIZE, 1)
    assert_allclose(modes[0].action, agent.behaviour.mode(modes[0].latent, noise.mode))
    assert np.abs(samples[0] - samples[1]).max() > 0.1


def test_exploration_disturbs_and_clips_and_is_what_the_memory_keeps():
    agent = small_agent("dreamer")
    calm, disturbed = choose(agent, training=True).action, choose(agent, training=True, amount=0.3).action
    noise = acting_noise(tf.constant(graph_seed(0, "test", 0)), agent.config, ACTION_SIZE, 1)
    assert_allclose(disturbed, np.clip(calm + 0.3 * noise.exploration.gaussian, -1, 1), rtol=1e-6)


def test_exploration_may_be_uniform_or_now_and_then_a_one_among_zeros():
    noise = Exploration(
        gaussian=tf.ones((3, 4)), uniform=tf.fill((3, 4), -0.5), chance=tf.constant([0.1, 0.4, 0.29]),
        index=tf.constant([2, 1, 0]),
    )  # fmt: skip
    actions = tf.fill((3, 4), 0.9)
    assert_allclose(explored(actions, "completely_random", tf.constant(0.3), noise), noise.uniform)
    expected = [[0, 0, 1, 0], [0.9] * 4, [1, 0, 0, 0]]
    assert_allclose(explored(actions, "epsilon_greedy", tf.constant(0.3), noise), expected)
    assert_allclose(explored(actions, "additive_gaussian", tf.constant(0.3), noise), tf.ones((3, 4)))


@pytest.mark.parametrize("kind", ["completely_random", "epsilon_greedy"])
def test_only_training_explores_in_the_other_ways_too(kind: str):
    agent, calm = small_agent("dreamer", expl=kind, expl_amount=1.0), small_agent("dreamer")
    seen = observations(agent, 2)
    for training in (True, False):
        wild, tame = (one.act(seen, one.blank(2), np.array([True, True]), training, 0)[0] for one in (agent, calm))
        assert np.allclose(wild, tame) == (not training)
    wild = agent.act(seen, agent.blank(2), np.array([True, True]), True, 0)[0]
    assert (np.abs(wild) <= 1).all()
    assert kind == "completely_random" or sorted(wild.ravel()) == [0] * (2 * ACTION_SIZE - 2) + [1] * 2


def test_exploration_decays_to_its_least():
    agent = small_agent("dreamer", expl_decay=1000.0, expl_min=0.1)
    assert [agent.exploration(step) for step in (0, 1000, 10_000)] == pytest.approx([0.3, 0.15, 0.1])
    assert small_agent("dreamer").exploration(10**6) == 0.3


@pytest.mark.parametrize("method", ["mummi", "dreamer"])
def test_several_environments_choose_each_for_itself_or_by_the_first(method: str):
    own, first = small_agent(method, first_env_decides=False), small_agent(method)
    both = observations(own, 2)
    alone = [choose(own, 1, seen=tensors([one])) for one in both]
    together, led = choose(own, 2, seen=tensors(both)), choose(first, 2, seen=tensors(both))
    assert_allclose(led.action[0], together.action[0], atol=1e-6)
    assert not np.allclose(led.action[1], together.action[1])
    assert_allclose(together.latent.deter[0], alone[0].latent.deter[0], atol=1e-6)


@pytest.mark.parametrize("method", ["mummi", "cvrl", "dreamer"])
def test_filtering_step_by_step_is_what_learning_computes_on_sequences(method: str):
    agent = small_agent(method)
    batch = made_up_batch(agent.config)
    given = learnt(agent, batch)
    noise = tf.random.stateless_normal((agent.config.batch_length, 1, agent.config.stoch_size), (1, 2))
    from mummi.inputs import network_inputs

    inputs = network_inputs(given, agent.config)
    posts, priors = agent.model.observe(agent.model.embed(inputs), tf.cast(batch["action"], tf.float32), noise)
    latent = agent.model.rssm.initial(agent.config.batch_size)
    for time in range(agent.config.batch_length):
        embedding = agent.model.embed({name: array[:, time] for name, array in inputs.items()}).fused
        action = tf.cast(batch["action"][:, time], tf.float32)
        prior = agent.model.rssm.prior_step(latent, action, noise[time])
        latent = agent.model.rssm.posterior_step(latent, action, embedding, noise[time])
        assert_allclose(posts.stoch[time], latent.stoch, atol=1e-5)
        assert_allclose(posts.deter[time], latent.deter, atol=1e-5)
        assert_allclose(priors.std[time], prior.std, atol=1e-5)


def test_acting_traces_one_graph_and_repeats_itself():
    agent, again = small_agent("mummi"), small_agent("mummi")
    given = observations(agent, 1)
    reset_like = [
        {name: np.asarray(array, np.float64) if name != "image" else array for name, array in given[0].items()}
    ]
    found = []
    for one in (agent, again):
        memory, actions = one.blank(1), []
        for number, (seen, training) in enumerate([(reset_like, True), (given, True), (given, False)]):
            action, memory = one.act(seen, memory, np.array([number == 0]), training, number)
            actions.append(action)
        found.append(actions)
    assert agent.traces == ["act"]
    assert_allclose(found[0], found[1], rtol=0)
