"""Believer as its authors' code has it: no ReLU at the ends, its own convolutions, targets from an averaged encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toys import Toy

from mi_asym.agents.believer import Belief
from mi_asym.config import configure
from mi_asym.envs import task_spec
from mi_asym.networks.belief import standard_deviation
from mi_asym.networks.layers import parameter_count
from mi_asym.representation.belief import new_belief_features
from mi_asym.streams import generator

TAU = 0.005


@pytest.mark.parametrize("method", ["believer_gru", "believer_gpt"])
@pytest.mark.parametrize("task", ["heaven_hell", "sphinx"])
def test_context_and_belief_have_no_relu_at_their_end(task: str, method: str):
    toy = Toy(task, method)
    batch, belief = toy.batch(), toy.agent.belief
    context = belief.context(batch.observation, batch.packing, None)
    seen = toy.agent.critic.belief(belief.samples(context, generator(0, 0, "samples")))
    assert 0.3 < float((context < 0).float().mean()) < 0.7
    assert 0.2 < float((seen < 0).float().mean()) < 0.8


def test_the_observation_of_heaven_hell_is_embedded_without_a_relu():
    toy = Toy("heaven_hell", "believer_gru")
    embedded = toy.batch().observation.embedded(toy.agent.belief.context.observation)
    assert 0.3 < float((embedded.all < 0).float().mean()) < 0.7


def test_the_robots_networks_have_the_originals_sizes():
    draw = generator(0, 0, "sizes")
    belief = Belief(task_spec("block_pulling"), configure("block_pulling", "believer_gru", "paper"), draw)
    convolutions = belief.context.observation
    assert parameter_count(convolutions) == 147_744
    assert parameter_count(new_belief_features("block_pulling", draw)) == 184_896
    assert [layer.stride[0] for layer in convolutions.convolutions[::2]] == [4, 4, 1]  # type: ignore[index]


def test_standard_deviations_are_the_identity_from_one_on():
    raw = torch.tensor([-1.0, 0.5, 1.5, 3.0])
    expected = torch.tensor([0.31326169, 0.97407698, 1.5, 3.0]) + 0.1
    torch.testing.assert_close(standard_deviation(raw), expected)


def test_the_averaged_belief_follows_the_learnt_one():
    toy = Toy("heaven_hell", "believer_gru", aux_batch_size=6)
    before = [value.clone() for value in toy.agent.target_belief.parameters()]
    toy.update()
    learnt, averaged = toy.agent.belief.parameters(), toy.agent.target_belief.parameters()
    for old, new, target in zip(learnt, averaged, before, strict=True):
        torch.testing.assert_close(new, target + TAU * (old - target))


def test_targets_believe_what_the_averaged_encoder_draws(monkeypatch: pytest.MonkeyPatch):
    drawn: list[torch.Tensor] = []
    shown: list[torch.Tensor] = []
    toy = Toy("heaven_hell", "believer_gru", aux_batch_size=6)
    believed, target = toy.agent.target_belief.believed, toy.agent.target

    def draw(*given: Any) -> torch.Tensor:
        drawn.append(believed(*given))
        return drawn[-1]

    monkeypatch.setattr(toy.agent.target_belief, "believed", draw)
    target.register_forward_pre_hook(lambda module, given: shown.append(given[0]))
    toy.update()
    (samples,), (used,) = drawn, shown
    assert torch.equal(samples[-len(used) :], used)
