"""Playing: what is stored of an episode, and what counts as its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mi_asym.building import environments_for, source_for
from mi_asym.config import configure
from mi_asym.rollout import Expert, Noise, Policy, play
from mi_asym.streams import generator


@pytest.mark.parametrize("time_out_ends", [True, False])
def test_a_time_out_is_a_terminal_unless_it_is_switched_off(time_out_ends: bool):
    config = configure("heaven_hell", "drqn", "paper")
    source = source_for("heaven_hell", "drqn", config, 0, "cpu", None)
    environments = environments_for("heaven_hell", "drqn", config, 0, 8, "test")
    episodes = play(environments, Noise(4, False, generator(0, 0, "x")), source, time_out_ends)
    timed_out = [episode for episode in episodes if episode.length == 50 and episode.total == 0.0]
    assert timed_out
    for episode in timed_out:
        assert not episode.success
        assert float(episode.slots["terminal"][49]) == float(time_out_ends)
        assert float(episode.slots["terminal"][50]) == 1.0


def test_a_slot_holds_what_was_seen_before_its_action_and_the_last_what_was_seen_at_the_end():
    config = configure("heaven_hell", "drqn", "paper")
    source = source_for("heaven_hell", "drqn", config, 0, "cpu", None)
    environments = environments_for("heaven_hell", "drqn", config, 0, 1, "test")
    route = iter([1, 1, 1, 0, 0, 0])  # up the corridor, then right to a corner

    def follow(places: object, active: object) -> torch.Tensor:
        return torch.tensor([next(route)])

    (episode,) = play(environments, follow, source)
    assert episode.length == 6
    assert abs(episode.total) == 1.0
    assert episode.slots["action"].tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert episode.slots["reward"].tolist() == [0, 0, 0, 0, 0, episode.total, 0]
    seen = source.observations[episode.slots["observation"].long()]  # type: ignore[attr-defined]
    torch.testing.assert_close(seen[0], torch.tensor([0.5, 0.75, 0.0]))
    torch.testing.assert_close(seen[-1], torch.tensor([1.0, 0.0, 0.0]))


def test_a_robots_slots_hold_each_moment_and_its_episodes_turns():
    config = replace(configure("block_pulling", "drqn", "paper"), num_envs=2)
    source = source_for("block_pulling", "drqn", config, 0, "cpu", None)
    environments = environments_for("block_pulling", "drqn", config, 0, 2, "train")
    seen: list[torch.Tensor] = []
    expert = Expert(1, informed=True)

    def watched(places: Any, active: np.ndarray) -> torch.Tensor:
        seen.append(source.view(places).state.view(2, 2, 84, 84))
        return expert(places, active)

    episodes = [*play(environments, watched, source, expert=True), *play(environments, watched, source, expert=True)]
    environments.close()
    first = episodes[0]
    assert first.success
    for time, picture in enumerate(seen[: first.length]):
        torch.testing.assert_close(first.slots["depth"][time].float(), picture[0, 0])
        assert torch.equal(first.slots["mask"][time].float(), picture[0, 1])
    assert not torch.equal(first.slots["depth"][0], first.slots["depth"][-1])
    assert first.slots["angles"].shape == (first.length + 1, config.augmentations)
    for episode in episodes:
        assert torch.equal(episode.slots["angles"], episode.slots["angles"][:1].expand(episode.length + 1, -1))
    assert len({float(episode.slots["angles"][0, 0]) for episode in episodes}) == len(episodes)


def test_noise_draws_every_action_and_counts_none():
    noise = Noise(4, False, generator(0, 0, "x"))

    class Places:
        num_envs = 400

    counts = torch.bincount(noise(Places, None), minlength=4)  # type: ignore[arg-type]
    assert int(counts.min()) > 60
    assert not isinstance(noise, Policy)
