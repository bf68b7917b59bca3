"""The SAC forms, on made-up images: no physics is needed to see that every method learns and repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from mi_asym.agents.base import Agent
from mi_asym.building import agent_for, replay_for, source_for
from mi_asym.config import configure
from mi_asym.config.tables import ROBOT_CONFIGS
from mi_asym.envs import task_spec
from mi_asym.experience import Batch, Source, View
from mi_asym.replay import Replay
from mi_asym.stages import untrained
from mi_asym.streams import generator

TASK = "block_pulling"


def made_up(
    method: str, fidelity: str = "paper", device: str = "cpu", **fields: Any
) -> tuple[Any, Agent, Source, Replay]:
    config = replace(configure(TASK, method, fidelity), batch_size=2, **fields)
    if hasattr(config, "aux_batch_size"):
        config = replace(config, aux_batch_size=2)
    names = TASK, method, config, 0, device
    prepared = untrained(TASK, config)
    source = source_for(*names, prepared)
    replay = replay_for(config, source, device)
    draw = torch.Generator().manual_seed(0)
    for length in (4, 2):
        slots = length + 1
        episode = {
            "depth": torch.rand(slots, 84, 84, generator=draw) * 0.2,
            "holding": torch.rand(slots, generator=draw) > 0.5,
            "mask": torch.rand(slots, 84, 84, generator=draw) > 0.9,
            "angles": torch.rand(1, config.augmentations, generator=draw).expand(slots, -1) * 6,
            "action": torch.rand(slots, 5, generator=draw) * 2 - 1,
            "reward": torch.eye(slots)[-2],
            "terminal": torch.eye(slots)[-2],
            "expert": torch.ones(slots),
        }
        replay.add(episode)
    return config, agent_for(*names, prepared), source, replay


def updates(
    method: str, fidelity: str = "paper", count: int = 2, device: str = "cpu"
) -> tuple[Agent, list[dict[str, float]]]:
    _, agent, source, replay = made_up(method, fidelity, device)

    def sample(size: int, draw: torch.Generator) -> Batch:
        drawn = replay.sample(size, draw) if agent.whole_sequences else replay.sample_transitions(size, draw)
        return source.batch(drawn, draw)

    told = []
    for number in range(count):
        losses = agent.update(sample, generator(0, number, "batches"), generator(0, number, "noise", device))
        told.append({name: float(value) for name, value in losses.items()})
    return agent, told


@pytest.mark.parametrize("method", ROBOT_CONFIGS)
def test_every_method_learns_and_repeats(method: str):
    agent, first = updates(method)
    _, second = updates(method)
    assert first == second
    assert agent.target_lag() > -6.0
    assert all(torch.isfinite(torch.tensor(list(losses.values()))).all() for losses in first)


@pytest.mark.parametrize("method", ROBOT_CONFIGS)
def test_every_method_acts_within_bounds(method: str):
    _, agent, _, _ = made_up(method)
    view = View(*torch.rand(2, 2, task_spec(TASK).observation_size, generator=torch.Generator().manual_seed(0)))
    action, carry = agent.act(view, agent.start(2), generator(0, 0, "acting"))
    again, _ = agent.act(view, carry, None)
    assert action.shape == again.shape == (2, 5)
    assert float(action.abs().max()) <= 1.0


@pytest.mark.parametrize(("fidelity", "moves"), [("faithful", False), ("paper", True)])
def test_the_released_believer_never_trains_its_belief_policy(fidelity: str, moves: bool):
    fresh: Any = made_up("believer_gru", fidelity)[1]
    trained: Any = updates("believer_gru", fidelity)[0]
    before, after = (agent.parts["heads"].belief.all[0].weight for agent in (fresh, trained))
    assert torch.equal(before, after) != moves


def test_shared_passes_of_a_transformer_draw_dropout_once_for_all():
    found = []
    for share in (True, False):
        _, agent, source, replay = made_up("ours_gpt", share_passes=share)
        critic: Any = agent
        batch = source.batch(replay.sample(2, generator(0, 0, "batch")), generator(0, 0, "batch"))
        found.append(critic.critic_loss(batch, generator(0, 0, "noise"))[0])
    assert not torch.equal(*found)


@pytest.mark.parametrize("method", ["zero_on", "zero_off", "mdp"])
def test_memoryless_critics_embed_the_action(method: str):
    agent: Any = made_up(method)[1]
    assert [head[0].in_features for head in agent.critic.heads] == [80, 80]
    assert (agent.critic.action.linear.in_features, agent.critic.action.width) == (5, 16)
    before = agent.critic.action.linear.weight.detach().clone()
    after = updates(method)[0].critic.action.linear.weight  # type: ignore[attr-defined]
    assert not torch.equal(before, after)


def test_without_copies_every_batch_is_what_was_seen():
    _, _, source, replay = made_up("drqn", augmentations=0)
    drawn = replay.gather(torch.tensor([0]), torch.tensor([4]))
    batch = source.batch(drawn, generator(0, 0, "copy"))
    torch.testing.assert_close(batch.observation.values.view(5, 2, 84, 84)[:, 0], drawn.columns["depth"].float())


def test_a_rotated_copy_turns_images_and_actions_and_the_original_none():
    _, _, source, replay = made_up("drqn", augmentations=1)
    drawn = replay.gather(torch.tensor([0]), torch.tensor([4]))
    seen = {}
    for number in range(12):
        batch = source.batch(drawn, generator(0, number, "copy"))
        seen[float(batch.observation.values.sum())] = batch
    assert len(seen) == 2
    plain = next(b for b in seen.values() if torch.equal(b.action, drawn.columns["action"][drawn.packing.before]))
    turned = next(b for b in seen.values() if b is not plain)
    torch.testing.assert_close(plain.observation.values.view(5, 2, 84, 84)[:, 0], drawn.columns["depth"].float())
    assert torch.equal(turned.action[:, [0, 3, 4]], plain.action[:, [0, 3, 4]])
    assert not torch.equal(turned.action[:, 1:3], plain.action[:, 1:3])
