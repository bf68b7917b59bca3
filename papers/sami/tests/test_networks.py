"""The networks against the card's counts and values, and against Stable-Baselines3's actor and critic."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.sac.policies import Actor as TheirActor
from torch import nn

from sami.describe import parameter_counts
from sami.fidelity import configure
from sami.networks import Actor, ContextEncoder, Critics, encoder_inputs

COUNTS = {
    "halfcheetah": (78_634, 544_268, 1_083_394), "crippled_halfcheetah": (78_634, 544_268, 1_083_394),
    "ant": (84_778, 551_440, 1_095_682), "crippled_ant": (91_434, 558_096, 1_108_994),
    "hopper": (73_514, 537_606, 1_073_154), "crippled_hopper": (73_514, 537_606, 1_073_154),
    "walker": (78_122, 543_756, 1_082_370), "crippled_walker": (78_122, 543_756, 1_082_370),
    "slim_humanoid": (98_090, 569_378, 1_122_306), "humanoid_standup": (98_090, 569_378, 1_122_306),
    "panda": (81_194, 545_800, 1_088_514),
}  # fmt: skip


def set_in_order(parameter: nn.Parameter) -> None:
    """Card 9 C: (i - n/2) * 0.05, row by row."""
    count = parameter.numel()
    with torch.no_grad():
        parameter.copy_(((torch.arange(count) - count / 2) * 0.05).view_as(parameter))


@pytest.fixture
def tiny_encoder() -> ContextEncoder:
    encoder = ContextEncoder(2, 3, 2)
    for parameter in (encoder.lstm.weight_ih_l0, encoder.lstm.weight_hh_l0, encoder.head.weight, encoder.head.bias):
        set_in_order(parameter)
    return encoder


def test_the_tiny_encoder_has_the_cards_outputs(tiny_encoder: ContextEncoder):
    outputs = tiny_encoder(torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]))
    expected = torch.tensor([[[-0.0547, 0.0060], [-0.0615, 0.0120], [-0.0675, 0.0196]]])
    torch.testing.assert_close(outputs, expected, rtol=0, atol=6e-5)


@pytest.mark.parametrize("sizes", [(2, 3, 2), (24, 128, 6)])
def test_step_by_step_equals_the_whole_trajectory(sizes: tuple[int, int, int]):
    torch.manual_seed(0)
    encoder, inputs = ContextEncoder(*sizes), torch.randn(3, 40, sizes[0])
    memory, contexts = encoder.empty_memory(3), []
    for time in range(40):
        context, memory = encoder.step(inputs[:, time], memory)
        contexts.append(context)
    torch.testing.assert_close(torch.stack(contexts, dim=1), encoder(inputs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("task", list(COUNTS))
def test_parameter_counts_are_the_cards(task: str):
    assert tuple(parameter_counts(task, "saccm").values()) == COUNTS[task]


def test_encoder_inputs_stand_in_alphabetical_order():
    observation = torch.arange(25.0)
    panda = encoder_inputs(observation, torch.full((4,), -1.0), action_index=3)
    assert panda.tolist() == [0, 1, 2, -1, -1, -1, -1, *range(3, 25)]
    assert encoder_inputs(observation[:3], torch.tensor([-1.0]), action_index=0).tolist() == [-1, 0, 1, 2]


def test_the_actor_is_stable_baselines3s():
    features, space = gymnasium.spaces.Box(-1, 1, (7,)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    theirs = TheirActor(features, space, [16, 16], FlattenExtractor(features), 7)
    ours = Actor(7, 2, (16, 16))
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        own.data.copy_(other.data)
    inputs = 30 * torch.randn(50, 7)
    mean, log_std, _ = theirs.get_action_dist_params(inputs)
    torch.testing.assert_close(ours(inputs), (mean, log_std))
    torch.testing.assert_close(ours.best_action(inputs), theirs(inputs, deterministic=True))


def test_the_critics_are_stable_baselines3s():
    features, space = gymnasium.spaces.Box(-1, 1, (7,)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    theirs = ContinuousCritic(features, space, [16, 16], FlattenExtractor(features), 7)
    ours = Critics(7, 2, (16, 16))
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        own.data.copy_(other.data)
    inputs, action = torch.randn(5, 7), torch.randn(5, 2)
    found = theirs(inputs, action)
    torch.testing.assert_close(ours(inputs, action), (found[0].squeeze(-1), found[1].squeeze(-1)))
    torch.testing.assert_close(ours.lower(inputs, action), torch.minimum(*found).squeeze(-1))


def test_every_task_and_method_has_a_config():
    for task in COUNTS:
        for method in ("tesac", "ccm", "satesac", "saccm"):
            config = configure(task, method, "faithful")
            assert config.batch_size % config.slots == 0
