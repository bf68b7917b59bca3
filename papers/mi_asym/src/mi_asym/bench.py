"""How fast it is: acting, updating, both together, beside the plain twin where the repository's tests are at hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mi_asym.agents.base import Agent
from mi_asym.building import agent_for, environments_for, replay_for, source_for
from mi_asym.config import TrainConfig, configure
from mi_asym.config.fields import EPISODE
from mi_asym.envs import GRID_TASKS, task_spec
from mi_asym.experience import Batch, Source
from mi_asym.replay import Replay
from mi_asym.rollout import Noise, Policy, play
from mi_asym.stages import untrained
from mi_asym.streams import generator
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.measure import measure, peak_memory_mib, plain_twins

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]
WAVES = 40
"""Random episodes at most, where whole ones are looked for."""


class Case:
    """A method's agent on a task, with a replay buffer of random episodes."""

    def __init__(self, task: str, method: str, full: bool, environments: int = 32) -> None:
        """full: keep episodes of 50 steps alone."""
        self.task, self.config = task, configure(task, method, "paper")
        names: tuple[str, str, TrainConfig, int] = (task, method, self.config, 0)
        prepared = untrained(task, self.config)
        self.source: Source = source_for(*names, "cpu", prepared)
        self.agent: Agent = agent_for(*names, "cpu", prepared)
        self.replay: Replay = replay_for(self.config, self.source, "cpu")
        self.environments = environments_for(*names, environments, "bench")
        self.updates = 0
        spec = task_spec(task)
        for wave in range(WAVES):
            draw = generator(0, wave, "bench")
            for episode in play(self.environments, Noise(spec.num_actions, spec.continuous, draw), self.source):
                if episode.length == EPISODE or not full:
                    self.replay.add(episode.slots)
            if len(self.replay.episodes) >= 2 * environments or (spec.continuous and self.replay.episodes):
                break

    def sample(self, count: int, draw: torch.Generator) -> Batch:
        return self.source.batch(self.replay.sample(count, draw), draw)

    def update(self) -> None:
        """One update, auxiliary step included."""
        self.updates += 1
        self.agent.update(self.sample, generator(0, self.updates, "bench"), generator(0, self.updates, "noise"))

    def act(self) -> int:
        """Every environment plays an episode; returns the steps."""
        policy = Policy(self.agent, self.source, generator(0, 0, "acting"))
        return sum(episode.length for episode in play(self.environments, policy, self.source))


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same data, ratio_to_plain."""
    set_up_torch(1)
    keep_freed_memory()
    rows: list[Row] = []
    if task in GRID_TASKS:
        for method in ("drqn", "ours_gru", "ours_gpt"):
            case = Case(task, method, full=True)
            seconds = measure(case.update, least_s=2.0)
            rows.append({"name": f"{method}, update of 64 x 50 valid steps", "value": seconds, "unit": "s"})
            if method == "ours_gru":
                rows += [*beside_plain(case), products(case)]
    rows += end_to_end(task, "ours_gru")
    return [*rows, {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"}]


def end_to_end(task: str, method: str) -> list[Row]:
    """Acting in one environment, updates on episodes as they come, and both at the registered ratio."""
    case = Case(task, method, full=False, environments=1 if task not in GRID_TASKS else 32)
    updating = measure(case.update, least_s=2.0)
    alone = environments_for(task, method, case.config, 0, 1, "bench")
    case.environments = alone
    start = time.perf_counter()
    steps = sum(case.act() for _ in range(3))
    acting = (time.perf_counter() - start) / steps
    together = acting + case.config.updates_per_step * updating
    return [
        {"name": f"{method}, acting, one environment", "value": 1 / acting, "unit": "env_steps/s"},
        {"name": f"{method}, updates on random episodes", "value": 1 / updating, "unit": "updates/s"},
        {"name": f"{method}, end to end", "value": 1 / together, "unit": "env_steps/s"},
    ]


def products(case: Case) -> Row:
    """The least that an update of `case` can take: its matrix products at the rate of one that is as large."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place_product}) as counter:
        case.update()
    steps, width = case.config.batch_size * (EPISODE + 1), 256
    left, right = torch.ones(steps, width), torch.ones(width, width)
    rate = 2 * steps * width * width / measure(lambda: left @ right, least_s=0.5)
    return {"name": "ours_gru, its matrix products alone", "value": counter.get_total_flops() / rate, "unit": "s"}


def in_place_product(added: Any, left: Any, right: Any, **_: Any) -> int:
    """Operations of a product that is added to a tensor, which the counter does not know; shapes come in."""
    return int(2 * left[0] * left[1] * right[1])


def beside_plain(case: Case) -> list[Row]:
    """The same update, padded and with every pass anew; none where the tests are not at hand."""
    plain = plain_twins(PROJECT, "learning")
    if plain is None:
        return []
    draw = generator(0, 0, "plain")
    config: Any = case.config
    auxiliary = plain.learning.padded(case.sample(config.aux_batch_size, draw))
    data = plain.learning.padded(case.sample(config.batch_size, draw))
    quick = measure(case.update, least_s=1.0)
    slow = measure(lambda: plain.learning.update(case.agent, auxiliary, data), least_s=1.0)
    return [
        {
            "name": "ours_gru, the same beside its plain twin",
            "value": quick,
            "unit": "s",
            "ratio_to_plain": slow / quick,
        }
    ]
