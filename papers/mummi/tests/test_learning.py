"""A gradient step: equal to the unrolled one, routed to the right networks, repeatable (card 9.1, 9.3)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import plain.learning
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from toy_agents import ACTION_SIZE, learnt, made_up_batch, small_agent, small_config

from mummi.agent import Agent
from mummi.networks import DenseStack
from mummi.noise import graph_seed, update_noise
from mummi.rssm import Latent

METHODS = ("mummi", "cvrl", "dreamer")
TERMS = {"mummi": ("image", "depth", "touch"), "cvrl": ("image",), "dreamer": ("image", "depth", "touch")}


def step(agent: Agent, batch: dict[str, Any], number: int = 0) -> dict[str, float]:
    """A gradient step without a graph, which would take longer to build than to run once."""
    given = {name: tf.constant(array) for name, array in learnt(agent, batch).items()}
    metrics = agent.update_step(given, noise_for(agent, number))
    return {name: float(value) for name, value in metrics.items()}


def noise_for(agent: Agent, number: int = 0) -> Any:
    return update_noise(tf.constant(graph_seed(agent.seed, "update", number)), agent.config, ACTION_SIZE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shared", [True, False])
def test_losses_and_gradients_equal_the_unrolled_ones(method: str, shared: bool):
    agent = small_agent(method, shared_noise=shared, free_nats=0.1)
    batch = made_up_batch(agent.config)
    noise = noise_for(agent)
    fast, metrics = agent.gradients({name: tf.constant(v) for name, v in learnt(agent, batch).items()}, noise)
    slow, losses = plain.learning.gradients(agent, batch, noise)
    for name in (*TERMS[method], "reward", "div", "model", "value", "actor"):
        assert_allclose(metrics[f"loss/{name}"], losses[name], rtol=1e-5, err_msg=name)
    for part in ("model", "value", "actor"):
        norm = float(tf.linalg.global_norm(getattr(slow, part)))
        assert norm > 1e-6
        for one, other in zip(getattr(fast, part), getattr(slow, part), strict=True):
            assert_allclose(one, other, atol=1e-5 * norm, err_msg=part)


def test_several_steps_a_call_are_the_same_steps():
    one, other = small_agent("mummi"), small_agent("mummi")
    batches = [made_up_batch(one.config, seed) for seed in range(3)]
    alone = [one.learn([batch], number) for number, batch in enumerate(batches)]
    together = other.learn(batches, 0)
    for name, values in together.items():
        assert (values == np.concatenate([each[name] for each in alone])).all(), name
    for name, array in other.parameters().items():
        assert (one.parameters()[name] == array).all(), name
    assert one.traces == ["update"]


def test_each_optimiser_moves_its_own_networks_alone():
    for method in METHODS:
        agent = small_agent(method)
        names = [{variable.name.partition("/")[0] for variable in adam.moved} for adam in
                 (agent.model_adam, agent.value_adam, agent.actor_adam)]  # fmt: skip
        assert names[1:] == [{"value"}, {"actor"}]
        assert not names[0] & {"value", "actor"}
        assert ("image_decoder" in names[0]) == (method == "dreamer")
        before = agent.parameters()
        step(agent, made_up_batch(agent.config))
        moved = {name for name, array in agent.parameters().items() if (array != before[name]).any()}
        assert {name.partition("/")[0] for name in moved} >= {"value", "actor", "rssm", "reward"}


def test_the_actors_loss_has_no_gradient_for_the_model_as_it_is_applied():
    agent = small_agent("mummi", model_lr=1e-12)
    before = agent.parameters()
    step(agent, made_up_batch(agent.config))
    for variable in agent.model_adam.moved:
        name = variable.name.removesuffix(":0")
        assert_allclose(variable.numpy(), before[name], atol=1e-7)


@pytest.mark.parametrize("modality", ["image", "depth", "touch"])
def test_a_modality_that_is_always_missing_teaches_nothing(modality: str):
    agent = small_agent("mummi")
    batch = made_up_batch(agent.config, **{modality: 0.0})
    gradients, metrics = agent.gradients(
        {name: tf.constant(v) for name, v in learnt(agent, batch).items()}, noise_for(agent)
    )
    assert float(metrics[f"loss/{modality}"]) == 0
    for variable, gradient in zip(agent.model_adam.moved, gradients.model, strict=True):
        own = variable.name.startswith((f"{modality}_encoder", f"{modality}_expert"))
        if own:
            assert not gradient.numpy().any(), variable.name
    other = "depth" if modality == "image" else "image"
    assert float(metrics[f"loss/{other}"]) > 0


def test_a_fresh_agents_losses_are_near_chance():
    config = small_config(
        "mummi", batch_size=10, batch_length=5, cnn_depth=32, embed_size=1024, deter_size=200, stoch_size=30
    )
    agent = Agent(config, ACTION_SIZE, 2, 0)
    batch = made_up_batch(config)
    _, metrics = agent.gradients({name: tf.constant(v) for name, v in learnt(agent, batch).items()}, noise_for(agent))
    rows = config.batch_size * config.batch_length
    for name in ("image", "depth", "touch"):
        present = float(batch[f"{name}_flag"].mean())
        assert_allclose(metrics[f"loss/{name}"], present * math.log(present * rows), rtol=0.12)
    assert_allclose(metrics["loss/reward"], 0.919 + 0.5 * np.square(batch["reward"].astype(float)).mean(), rtol=0.1)
    assert 3.0 <= float(metrics["loss/div"]) < 3.2
    for name in ("train/prior_ent", "train/post_ent"):
        assert 34.5 < float(metrics[name]) < 36.5


def test_the_same_seed_repeats_its_losses_and_another_does_not():
    def first_losses(seed: int) -> list[float]:
        agent = small_agent("mummi", seed)
        return [step(agent, made_up_batch(agent.config), number)["loss/model"] for number in range(3)]

    found = first_losses(0)
    assert found == first_losses(0)
    assert found != first_losses(1)


def test_gradients_are_clipped_by_their_norm_and_adam_moves_by_its_rate():
    agent = small_agent("mummi", grad_clip=1e-3)
    before = agent.parameters()
    norm = step(agent, made_up_batch(agent.config))["train/model_grad_norm"]
    assert norm > 1e-3
    adam = agent.model_adam
    clipped = math.sqrt(sum(float(tf.reduce_sum(tf.square(first))) for first in adam.first)) / 0.1
    assert_allclose(clipped, 1e-3, rtol=1e-3)
    for variable, first in zip(adam.moved, adam.first, strict=True):
        gradient = first.numpy() / 0.1
        moved = -adam.learning_rate * gradient / (np.abs(gradient) + 1e-7 / math.sqrt(0.001))
        name = variable.name.removesuffix(":0")
        assert_allclose(variable.numpy() - before[name], moved, atol=2e-7)


def test_half_precision_scales_losses_and_skips_an_overflow():
    agent = small_agent("mummi", precision=16)
    batch = made_up_batch(agent.config)
    full = small_agent("mummi")
    half, whole = step(agent, batch), step(full, batch)
    assert float(agent.model_adam.scale) == 2.0**15
    for name in ("loss/image", "loss/reward", "loss/div", "loss/value"):
        assert_allclose(half[name], whole[name], rtol=0.02, err_msg=name)
    assert_allclose(half["train/model_grad_norm"], whole["train/model_grad_norm"], rtol=0.05)
    before = agent.parameters()
    agent.model_adam.scale.assign(3e38)
    step(agent, batch, 1)
    assert float(agent.model_adam.scale) < 3e38
    assert all((before[v.name.removesuffix(":0")] == v.numpy()).all() for v in agent.model_adam.moved)


@pytest.mark.slow
def test_xla_computes_the_same():
    plain_agent, compiled = small_agent("mummi"), small_agent("mummi", jit_compile=True)
    batch = made_up_batch(plain_agent.config)
    one, other = step(plain_agent, batch), compiled.learn([batch], 0)
    for name in one:
        # the entropy, which is only logged, unsquashes actions that lie within a rounding of the border
        rtol = 0.01 if name == "train/action_ent" else 1e-4
        assert_allclose(other[name], one[name], rtol=rtol, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("method", "change", "term"),
    [
        ("mummi", {"pcont": True}, "loss/pcont"),
        (
            "mummi",
            {"kernel": "bilinear", "masked_negatives": "removed", "expert_weight": "inverse_variance"},
            "loss/touch",
        ),
        ("mummi", {"multi_modal": False}, "loss/image"),
        ("cvrl", {"multi_modal": False}, "loss/image"),
        ("dreamer", {"multi_modal": False, "clip_rewards": "tanh"}, "loss/image"),
        ("cvrl", {"obs_model": "generative"}, "loss/touch"),
        ("cvrl", {"obs_model": "generative", "train_decoders": True}, "loss/touch"),
        ("cvrl", {"reward_only": True}, "loss/image"),
        ("dreamer", {"dense_act": "relu", "weight_decay": 1.0, "weight_decay_pattern": "reward"}, "loss/depth"),
    ],
)
def test_every_switch_learns(method: str, change: dict[str, Any], term: str):
    agent = small_agent(method, **change)
    metrics = step(agent, made_up_batch(agent.config))
    assert np.isfinite(list(metrics.values())).all()
    assert term in metrics
    moved = {variable.name.partition("/")[0] for variable in agent.model_adam.moved}
    assert ("image_decoder" in moved) == (method == "dreamer" or bool(change.get("train_decoders")))


def test_reward_only_leaves_the_bound_out():
    whole, alone = small_agent("cvrl"), small_agent("cvrl", reward_only=True)
    batch = made_up_batch(whole.config)
    one, other = step(whole, batch), step(alone, batch)
    assert_allclose(one["loss/model"] - one["loss/image"], other["loss/model"], rtol=1e-4)


def test_touch_scale_and_weight_reach_the_loss():
    agent = small_agent("mummi", touch_weight=0.5, free_nats=0.0, kl_scale=2.0)
    got = step(agent, made_up_batch(agent.config))
    parts = 2.0 * got["loss/div"] + got["loss/reward"] + got["loss/image"] + got["loss/depth"] + 0.5 * got["loss/touch"]
    assert_allclose(got["loss/model"], parts, rtol=1e-5)
    raw = step(small_agent("dreamer"), made_up_batch(agent.config))["loss/touch"]
    scaled = step(small_agent("dreamer", touch_scale=200.0), made_up_batch(agent.config))["loss/touch"]
    assert raw > 10 * scaled


def test_weight_decay_takes_its_share():
    still, decayed = (small_agent("mummi", weight_decay=decay) for decay in (0.0, 10.0))
    batch, before = made_up_batch(still.config), still.parameters()
    step(still, batch), step(decayed, batch)
    name = "rssm/gru/kernel"
    share = 10.0 * still.config.model_lr
    expected = still.parameters()[name] - share * before[name]
    assert_allclose(decayed.parameters()[name], expected, atol=1e-6)
    assert replace(still.config, weight_decay=10.0) == decayed.config


def always(head: DenseStack, output: float) -> None:
    """Make a network answer one number, whatever it is asked."""
    for layer in head.layers:
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.zeros_like(layer.bias))
    head.layers[-1].bias.assign([output])


def test_pcont_learns_how_the_discount_goes_on_and_weighs_ten():
    """Target: 0.99 times the discount that was stored; here each sequence's last moment ends its episode."""
    agent = small_agent("mummi", pcont=True)
    batch = made_up_batch(agent.config)
    batch["discount"][:, -1] = 0
    always(agent.model.pcont, 2.0)
    got = step(agent, batch)
    chance = 1 / (1 + math.exp(-2))
    goes_on, ends = -0.99 * math.log(chance) - 0.01 * math.log(1 - chance), -math.log(1 - chance)
    assert_allclose(got["loss/pcont"], 0.8 * goes_on + 0.2 * ends, rtol=1e-4)
    parts = got["loss/div"] + got["loss/reward"] + got["loss/image"] + got["loss/depth"] + 0.001 * got["loss/touch"]
    assert_allclose(got["loss/model"], parts + 10 * got["loss/pcont"], rtol=1e-5)


def test_with_pcont_imagined_discounts_are_predicted_and_else_fixed():
    agent, fixed = small_agent("mummi", pcont=True), small_agent("mummi")
    features = tf.zeros((4, 2, agent.model.feature_size))
    always(agent.model.pcont, 2.0)
    assert_allclose(agent.model.discounts(features), np.full((4, 2), 1 / (1 + math.exp(-2))), rtol=1e-5)
    assert_allclose(fixed.model.discounts(features), np.full((4, 2), 0.99), rtol=1e-6)


@pytest.mark.parametrize(("pcont", "kept"), [(False, [0, 1, 2, 3, 4]), (True, [0, 1, 2, 3])])
def test_imagination_begins_everywhere_but_with_pcont_not_at_a_sequences_last_moment(pcont: bool, kept: list[int]):
    agent = small_agent("mummi", pcont=pcont)
    places = np.arange(10.0, dtype=np.float32).reshape(2, 5, 1)  # two sequences of five moments
    starts = agent.starts(Latent(*(tf.constant(places + offset) for offset in (0, 10, 20, 30))))
    expected = [*kept, *(5 + place for place in kept)]
    for part, offset in zip(starts, (0, 10, 20, 30), strict=True):
        assert_allclose(part[:, 0], np.array(expected) + offset)


@pytest.mark.parametrize(("clip", "learnt_from"), [("none", lambda reward: reward), ("tanh", np.tanh)])
def test_rewards_are_learnt_as_clip_rewards_says(clip: str, learnt_from: Any):
    agent = small_agent("mummi", clip_rewards=clip)
    batch = made_up_batch(agent.config)
    batch["reward"] = 3 * batch["reward"]
    always(agent.model.reward, 0.5)
    expected = 0.5 * math.log(2 * math.pi) + 0.5 * np.square(learnt_from(batch["reward"].astype(float)) - 0.5).mean()
    assert_allclose(step(agent, batch)["loss/reward"], expected, rtol=1e-3)
