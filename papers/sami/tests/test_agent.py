"""Gradient steps: equal to the plain twin, each switch changes what it says, nothing leaks where it must not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from plain import learning
from toys import filled_buffer, small_agent, small_config

from sami import agent as agent_module
from sami.agent import Agent
from sami.config import CcmConfig, SaCcmConfig, SaTesacConfig, TesacConfig


def parameters_of(agent: Agent) -> dict[str, torch.Tensor]:
    """Every learnt number by name."""
    networks = ("actor", "critics", "encoder", "target_critics", "target_encoder")
    found = {
        f"{network}.{name}": value.clone()
        for network in networks
        for name, value in getattr(agent, network).state_dict().items()
    }
    return found | {"log_temperature": agent.log_temperature.detach().clone()}


@pytest.mark.parametrize("kind", [TesacConfig, CcmConfig, SaTesacConfig, SaCcmConfig])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"timeouts": "bootstrap"},
        {"contrast_actions": "own"},
        {"masked_rows": "dropped", "score": "mean"},
        {"use_weighted_info_nce": True},
        {"rows_beyond_horizon": 3},
        {"batch_slots": "one"},
        {"full_buffer": "whole"},
    ],
)
def test_gradient_steps_equal_the_plain_twins(
    kind: type[TesacConfig], values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    if not set(values) <= set(kind.__dataclass_fields__):
        pytest.skip("a switch of the contrastive loss")
    monkeypatch.setitem(agent_module.ROWS_AT_ONCE, "cpu", 5)
    fast = small_agent(small_config(kind, **values), action_index=2)
    plain = copy.deepcopy(fast)
    buffer = filled_buffer(fast.config)
    for number in range(3):
        ours, theirs = fast.gradient_step(buffer, number), learning.gradient_step(plain, buffer, number)
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name].double(), value.double(), rtol=1e-5, atol=1e-5)
    for (name, one), other in zip(parameters_of(fast).items(), parameters_of(plain).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    "values",
    [{"contrastive_loss": "softmax"}, {"contrast_actions": "own"}, {"masked_rows": "dropped"}, {"score": "mean"}],
)
def test_each_contrastive_switch_changes_the_encoder(values: dict[str, Any]):
    faithful, switched = (small_agent(small_config(**given)) for given in ({}, values))
    buffer = filled_buffer(faithful.config)
    for one in (faithful, switched):
        one.gradient_step(buffer, 0)
    assert not torch.equal(faithful.encoder.head.weight, switched.encoder.head.weight)


def test_the_slots_take_turns_where_a_batch_is_of_one():
    agent = small_agent(small_config(slots=3, batch_size=4, contrast_batch_size=6, batch_slots="one"))
    buffer = filled_buffer(agent.config, lengths=(6, 4, 5, 6, 3, 6, 2, 5, 4))
    seen = []
    for agent.updates in range(5):
        chosen = agent.choose_batch(buffer, agent_module.chooser(0, agent.updates, "test"))
        assert len(chosen) == 4
        seen.append(set(chosen[:, 0].tolist()))
    assert seen == [{0}, {1}, {2}, {0}, {1}]


def test_bootstrapping_changes_the_targets_of_timeouts_alone():
    terminal, bootstrap = (small_agent(small_config(TesacConfig, timeouts=rule)) for rule in ("terminal", "bootstrap"))
    buffer = filled_buffer(terminal.config)
    batch = buffer.gather(buffer.sample(agent_module.chooser(0, 0, "test"), 4))
    last = torch.arange(batch.time) == (batch.lengths - 1)[:, None]
    assert torch.equal(terminal.goes_on(batch) == 0, last)
    assert torch.equal(bootstrap.goes_on(batch) == 0, last & (batch.terminated[:, None] == 1))


def test_tesac_has_no_contrastive_step():
    agent = small_agent(small_config(TesacConfig))
    assert "loss/contrastive" not in agent.gradient_step(filled_buffer(agent.config), 0)


def test_the_interval_counts_gradient_steps_of_an_update():
    agent = small_agent(small_config(contrast_training_interval=2))
    buffer = filled_buffer(agent.config)
    assert ["loss/contrastive" in agent.gradient_step(buffer, number) for number in range(4)] == [
        True,
        False,
        True,
        False,
    ]


def test_no_weight_means_no_contrastive_gradient():
    for coefficient in (0.5, 0.0):  # without weight it makes no difference what is contrasted
        agents = [
            small_agent(small_config(adversarial_loss_coef=coefficient, contrast_actions=actions))
            for actions in ("previous_slot", "own")
        ]
        losses = [agent.gradient_step(filled_buffer(agent.config), 0)["loss/encoder"] for agent in agents]
        weights = [parameters_of(agent)["encoder.head.weight"] for agent in agents]
        assert torch.equal(*weights) == (coefficient == 0.0) == (losses == [0.0, 0.0])


def test_targets_move_by_their_shares():
    agent = small_agent(small_config(tau=0.25, encoder_tau=0.5))
    before = parameters_of(agent)
    agent.gradient_step(filled_buffer(agent.config), 0)
    after = parameters_of(agent)
    for part, share in (("critics.first.0.weight", 0.25), ("encoder.head.weight", 0.5)):
        expected = (1 - share) * before[f"target_{part}"] + share * after[part]
        torch.testing.assert_close(after[f"target_{part}"], expected)


def test_contrastive_steps_pull_good_and_bad_skills_apart():
    agent = small_agent(small_config(SaTesacConfig, adversarial_loss_coef=10.0, contrast_actions="own"))
    buffer = filled_buffer(agent.config)
    contrast = agent.choose_contrast(buffer, agent_module.chooser(0, 0, "test"), 0)
    assert contrast is not None
    for slot, number in contrast.positives:
        buffer.arrays["observations"][slot, number] += 3.0
    contrasted = agent.gather_contrast(buffer, contrast)
    losses = []
    for _ in range(150):
        keys, _ = agent.target_contexts(contrasted, contrasted[0])
        assert keys is not None
        losses.append(float(agent.contrastive_step(contrast, contrasted, keys)["loss/contrastive"]))
        agent.target_encoder.load_state_dict(agent.encoder.state_dict())
    assert losses[-1] < 0.5 * losses[0]


def test_the_same_seed_gives_the_same_agent_and_another_seed_another():
    first, second, third = (small_agent(small_config(), seed) for seed in (0, 0, 1))
    buffer = filled_buffer(first.config)
    for agent in (first, second, third):
        agent.update(buffer)
    assert all(
        torch.equal(a, b) for a, b in zip(parameters_of(first).values(), parameters_of(second).values(), strict=True)
    )
    assert not torch.equal(first.actor.mean.weight, third.actor.mean.weight)


def test_a_loaded_agent_goes_on_as_the_saved_one_would_have():
    agent = small_agent(small_config())
    buffer = filled_buffer(agent.config)
    agent.update(buffer)
    other = small_agent(agent.config, seed=0)
    other.load(copy.deepcopy(agent.state()))
    agent.update(buffer)
    other.update(buffer)
    assert all(
        torch.equal(a, b) for a, b in zip(parameters_of(agent).values(), parameters_of(other).values(), strict=True)
    )


def test_an_update_means_what_its_steps_report():
    agent = small_agent(small_config(contrast_training_interval=2))
    buffer, twin = filled_buffer(agent.config), copy.deepcopy(agent)
    steps = [twin.gradient_step(buffer, number) for number in range(2)]
    report = agent.update(buffer)
    assert report["loss/critic"] == pytest.approx(float(steps[0]["loss/critic"] + steps[1]["loss/critic"]) / 2)
    assert report["loss/contrastive"] == pytest.approx(float(steps[0]["loss/contrastive"]))
