"""The replay buffer: the card's worked example, and what happens when the ring is full."""

from __future__ import annotations

import pytest
import torch

from mi_asym.replay import Replay

COLUMNS = {"seen": ((), torch.float32), "terminal": ((), torch.float32)}


def episode(first: int, length: int) -> dict[str, torch.Tensor]:
    terminal = torch.zeros(length + 1)
    terminal[-2:] = 1.0
    return {"seen": torch.arange(first, first + length + 1).float(), "terminal": terminal}


def cards_buffer() -> Replay:
    """Capacity 20, T = 5, episodes of 3 and 7 transitions (card 9.4)."""
    replay = Replay(COLUMNS, 20, 5)
    replay.add(episode(10, 3))
    replay.add(episode(20, 7))
    return replay


def test_valid_starts_are_the_cards():
    starts, lengths, totals = cards_buffer().index()
    assert starts.tolist() == [0, 4, 5, 6]
    assert lengths.tolist() == [3, 5, 5, 5]
    assert totals.tolist() == [3, 10]


def test_a_sample_of_a_short_episode_ends_with_it():
    drawn = cards_buffer().gather(torch.tensor([0]), torch.tensor([3]))
    assert drawn.columns["seen"].tolist() == [10, 11, 12, 13]
    assert drawn.packing.transitions == 3
    assert drawn.columns["terminal"][drawn.packing.before].tolist() == [0, 0, 1]


def test_a_sample_of_a_long_episodes_end_is_terminal_in_the_last():
    drawn = cards_buffer().gather(torch.tensor([6]), torch.tensor([5]))
    assert drawn.columns["seen"].tolist()[:5] == [22, 23, 24, 25, 26]
    assert drawn.columns["terminal"][drawn.packing.before].tolist() == [0, 0, 0, 0, 1]


def test_starts_are_drawn_uniformly_whatever_an_episodes_length():
    replay = Replay(COLUMNS, 100, 50)
    replay.add(episode(0, 2))
    replay.add(episode(50, 40))
    drawn = replay.sample(2000, torch.Generator().manual_seed(0))
    short = (drawn.columns["seen"][: drawn.packing.sequences] < 50).float().mean()
    assert float(short) == pytest.approx(0.5, abs=0.05)


def test_transitions_are_drawn_uniformly_over_all():
    drawn = cards_buffer().sample_transitions(5000, torch.Generator().manual_seed(0))
    before, after = drawn.columns["seen"][drawn.packing.before], drawn.columns["seen"][drawn.packing.after]
    torch.testing.assert_close(after, before + 1)
    shares = torch.bincount(before.long(), minlength=27)[[10, 11, 12, *range(20, 27)]] / 5000
    torch.testing.assert_close(shares, torch.full((10,), 0.1), rtol=0, atol=0.02)


def test_a_full_ring_forgets_its_oldest_episodes_whole():
    replay = cards_buffer()
    replay.add(episode(30, 9))
    assert [length for _, length in replay.episodes] == [7, 9]
    drawn = replay.gather(torch.tensor([12]), torch.tensor([5]))
    assert drawn.columns["seen"].tolist() == [30, 31, 32, 33, 34, 35]
    wrapped = replay.gather(torch.tensor([16]), torch.tensor([5]))
    assert wrapped.columns["seen"].tolist() == [34, 35, 36, 37, 38, 39]
    replay.add(episode(50, 18))
    assert replay.episodes[0][1] == 18


@pytest.mark.parametrize("more", [0, 1, 2, 5])
def test_a_restored_buffer_draws_the_same(more: int):
    replay, other = cards_buffer(), Replay(COLUMNS, 20, 5)
    for number in range(more):
        replay.add(episode(100 + 10 * number, 4 + number))
    other.load(replay.state())
    for buffer in (replay, other):
        buffer.add(episode(90, 6))
    drawn, again = (buffer.sample(50, torch.Generator().manual_seed(1)).columns for buffer in (replay, other))
    assert all(torch.equal(drawn[name], again[name]) for name in COLUMNS)


def test_an_episode_without_a_transition_is_refused():
    with pytest.raises(ValueError, match="at least one transition"):
        cards_buffer().add({"seen": torch.zeros(1), "terminal": torch.zeros(1)})
