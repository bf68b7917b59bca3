"""Draws: keyed, and distributed as their logits say."""

from __future__ import annotations

import torch

from amigo.streams import categorical, uniform


def test_a_key_gives_the_same_numbers_and_another_key_others():
    assert torch.equal(uniform(1, 2, "actions", 5), uniform(1, 2, "actions", 5))
    for key in ((2, 2, "actions"), (1, 3, "actions"), (1, 2, "goals")):
        assert not torch.equal(uniform(1, 2, "actions", 5), uniform(*key, 5))


def test_draws_have_the_frequencies_of_softmax():
    logits = torch.tensor([0.0, 1.0, -30.0, 2.0])
    draws = categorical(logits.expand(200_000, 4), uniform(0, 0, "test", 200_000))
    found = torch.bincount(draws, minlength=4) / 200_000
    torch.testing.assert_close(found, torch.softmax(logits, 0), rtol=0, atol=5e-3)


def test_the_extremes_of_the_unit_interval_are_valid_draws():
    logits = torch.tensor([[-200.0, 0.0, 0.0, -200.0]] * 2)
    assert categorical(logits, torch.tensor([0.0, 1 - 2**-24])).tolist() == [1, 2]
