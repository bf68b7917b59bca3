"""The floor of a gradient step counts the products that are really made."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode
from toys import ACTION, OBSERVATION, filled_buffer, small_agent, small_config

from sami.config import SaTesacConfig, TesacConfig
from sami.floor import floor_s, multiply_adds, pairs


def counted(config: Any) -> int:
    """Multiply-adds of dense layers and pair matrices in a gradient step; PyTorch does not count the LSTM's."""
    agent, buffer = small_agent(config), filled_buffer(config, lengths=(config.horizon,) * 6)
    with FlopCounterMode(display=False) as counter:
        agent.gradient_step(buffer, 0)
    return counter.get_total_flops() // 2


def test_actor_and_critics_are_counted_as_pytorch_counts_them():
    config = small_config(TesacConfig, hidden_sizes=(64, 64), context_hidden_size=1)
    assert multiply_adds(config, OBSERVATION, ACTION)["actor and critics"] == pytest.approx(counted(config), rel=0.02)


def test_pairs_are_counted_as_pytorch_counts_them():
    without, config = (small_config(kind, hidden_sizes=(2,), horizon=80) for kind in (TesacConfig, SaTesacConfig))
    difference = counted(config) - counted(without)
    assert multiply_adds(config, OBSERVATION, ACTION)["pairs"] == pytest.approx(difference, rel=0.1)
    assert pairs(without) == 0


def test_a_floor_is_some_seconds():
    assert 0 < floor_s(small_config(), OBSERVATION, ACTION, "cpu") < 1
