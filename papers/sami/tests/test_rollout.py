"""Playing: what is stored, how context and memory move, and where random play ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from toys import OBSERVATION, ToySlots, small_agent, small_config

from sami.networks import encoder_inputs
from sami.replay import TrajectoryBuffer
from sami.rollout import Player
from sami.streams import normal


def start(horizon: int = 4, **values: object) -> tuple[Player, TrajectoryBuffer]:
    config = small_config(horizon=horizon, **values)
    agent = small_agent(config)
    slots = ToySlots(2, horizon)
    buffer = TrajectoryBuffer(2, config.buffer_size, horizon, OBSERVATION, 2, 0, "cpu")
    return Player(slots, agent, seed=0), buffer  # type: ignore[arg-type]


def test_trajectories_are_stored_whole_however_the_turns_cut_them():
    (player, buffer), (other, second) = start(), start()
    player.collect(buffer, 9, 9, turn=0)
    for turn, steps in enumerate((3, 3, 3)):
        other.collect(second, steps, steps, turn)
    for one in (buffer, second):
        assert one.lengths[:, :2].tolist() == [[4, 4], [4, 4]]
        assert one.returns[:, :2].tolist() == [[4, 4], [8, 8]]
        assert one.cursors.tolist() == [[2, 1], [2, 1]]
        assert one.arrays["observations"][1, 1, :5, 0].tolist() == [
            np.float32(x) for x in (1.1, 1.11, 1.12, 1.13, 1.14)
        ]


def test_the_stored_actions_are_those_that_were_played():
    player, buffer = start()
    player.collect(buffer, 4, 2, turn=7)
    stored = buffer.arrays["actions"][:, 0, :4]
    random = 2 * torch.rand(4, 2, 2, generator=generator_of("random actions")) - 1
    assert torch.equal(stored[:, :2].transpose(0, 1), random[:2])
    assert not torch.equal(stored[:, 2:].transpose(0, 1), random[2:])


def generator_of(purpose: str) -> torch.Generator:
    from sami.streams import generator

    return generator(0, 7, purpose)


def test_the_context_is_the_encoders_answer_to_all_steps_but_the_first_observation():
    player, _ = start()
    agent, actions = player.agent, torch.randn(3, 2, 2).clamp(-1, 1)
    seen = [torch.from_numpy(player.slots.observation() + (step + 1) / 100) for step in range(3)]
    for action in actions:
        player.step(action)
    inputs = torch.stack([encoder_inputs(one, action, 0) for one, action in zip(seen, actions, strict=True)], dim=1)
    torch.testing.assert_close(player.context, agent.encoder(inputs)[:, -1].detach(), rtol=1e-5, atol=1e-5)


def test_the_first_context_is_noise_and_the_last_one_is_carried_over_with_an_empty_memory():
    player, _ = start(horizon=2)
    assert torch.equal(player.context, normal(0, 0, "first context", 2, 3))
    action, agent = torch.full((2, 2), 0.5), player.agent
    first = player.step(action)
    memory = player.memory
    last = player.step(action)
    ended = torch.from_numpy(last.played.terminal_observation)
    assert not first.played.done.any()
    assert last.played.done.all()
    with torch.no_grad():
        expected, _ = agent.encoder.step(encoder_inputs(ended, torch.zeros(2, 2), 0), memory)
    assert torch.equal(player.context, expected)
    assert not player.memory[0].any()
    assert not player.memory[1].any()


class Transfers(TorchFunctionMode):
    """Counts what goes to the device and what is waited for from it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        self.found[name] += name in WAITS or name == "to"
        return func(*args, **(kwargs or {}))


WAITS = ("cpu", "item", "tolist", "nonzero", "masked_select", "__bool__", "__float__", "__int__", "__index__")


@pytest.mark.parametrize("first_context", ["carried", "clean"])
def test_a_step_waits_for_the_device_once_and_sends_once(first_context: str):
    player, _ = start(horizon=2, first_context=first_context)
    action = torch.zeros(2, 2)
    with Transfers() as transfers:
        for _ in range(4):  # of which two end an episode
            player.step(action)
    assert +transfers.found == {"cpu": 4, "to": 4}


def test_a_clean_episode_begins_as_training_sequences_begin():
    player, _ = start(horizon=2, first_context="clean")
    for _ in range(2):  # at the start, and after an episode's end
        beginning = encoder_inputs(player.observation, torch.zeros(2, 2), 0)[:, None]
        with torch.no_grad():
            expected = player.agent.encoder(beginning)[:, 0]
        torch.testing.assert_close(player.context, expected, rtol=1e-5, atol=1e-6)
        player.step(torch.zeros(2, 2))
        player.step(torch.zeros(2, 2))
        assert not torch.equal(player.last_context, player.context)


def test_a_loaded_player_goes_on_as_the_saved_one_would_have():
    player, buffer = start()
    player.collect(buffer, 3, 0, turn=0)
    other, second = start()
    other.agent.load(player.agent.state())
    other.load(player.state())
    second.load(buffer.state())
    for one, filled in ((player, buffer), (other, second)):
        one.collect(filled, 7, 0, turn=1)
    assert torch.equal(player.context, other.context)
    assert all(torch.equal(array, second.arrays[name]) for name, array in buffer.arrays.items())
