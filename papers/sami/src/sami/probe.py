"""A method on a device, ready to act and to learn, for whoever compares, counts or times it (mirl.probe)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from mirl.probe import Probe, copied, gradients_of
from sami.assembly import make_agent, make_buffer, make_world
from sami.bench import fill
from sami.config import CcmConfig, training_tuples
from sami.fidelity import configure
from sami.rollout import Player

SMALL: dict[str, Any] = {"slots": 2, "horizon": 20, "batch_size": 4, "hidden_sizes": (16, 16)}
TURNS = 32
TRAJECTORIES = 8
"""Of each slot."""


def probe(task: str, method: str, device: str, small: bool) -> Probe:
    """The paper's sizes, or small ones; batches are drawn from made-up trajectories."""
    config = replace(configure(task, method, "faithful"), **(SMALL if small else {}))
    if isinstance(config, CcmConfig):
        config = replace(config, adversarial_loss_coef=1.0)  # so that the contrastive loss has a weight
    slots = make_world(task, config, training_tuples(task, config), 0)
    agent = make_agent(task, config, 0, device)
    player = Player(slots, agent, 0)
    kept, spare = (make_buffer(slots, replace(config, buffer_size=TRAJECTORIES), 0, device) for _ in range(2))
    fill(kept, slots.observation_size, slots.action_size)
    start = copied(agent.state())

    def act() -> int:
        player.collect(spare, TURNS, 0, turn=0)
        return TURNS * slots.n_slots

    def update() -> Mapping[str, Any]:
        agent.load(copied(start))
        return {name: value for name, value in agent.gradient_step(kept, 0).items() if name.startswith("loss/")}

    def learnt() -> dict[str, Tensor]:
        return gradients_of({name: part for name, part in agent.parts().items() if isinstance(part, nn.Module)})

    return Probe(act, TURNS, update, learnt)
