"""A method on a device, ready to act and to learn, for whoever compares, counts or times it (mirl.probe)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from mi_asym.building import agent_for, environments_for, replay_for, source_for
from mi_asym.config import configure
from mi_asym.config.fields import EPISODE
from mi_asym.envs import task_spec
from mi_asym.experience import Batch
from mi_asym.rollout import Noise, Policy, play
from mi_asym.stages import untrained
from mi_asym.streams import generator
from mirl.probe import Probe, copied, gradients_of
from mirl.sending import sent

ENVIRONMENTS = 32
SMALL: dict[str, Any] = {"batch_size": 4, "aux_batch_size": 4, "belief_samples": 3}


class CpuNumbers(TorchFunctionMode):
    """Random numbers that a card would draw by a generator of its own are drawn on the CPU and moved, so that a CPU and
    a card learn from the same. Dropout is not among them: its masks are made another way on each; probes have none."""

    def __init__(self) -> None:
        super().__init__()
        self.twins: dict[int, torch.Generator] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        own = kwargs.get("generator")
        if own is None or own.device.type == "cpu" or func not in (torch.rand, torch.randn, torch.randint):
            return func(*args, **kwargs)
        if id(own) not in self.twins:
            self.twins[id(own)] = torch.Generator().manual_seed(own.initial_seed())
        device = kwargs.pop("device")
        return sent(func(*args, **{**kwargs, "generator": self.twins[id(own)]}), device)


def probe(task: str, method: str, device: str, small: bool) -> Probe:
    """The paper's sizes, or small ones, without dropout; what the stages before have learnt is left as it begins."""
    config: Any = configure(task, method, "paper")
    kept = {name: value for name, value in (SMALL if small else {}).items() if hasattr(config, name)}
    config = replace(config, **kept, **({"dropout": 0.0} if hasattr(config, "dropout") else {}))
    names, spec = (task, method, config, 0, device), task_spec(task)
    prepared = untrained(task, config)
    source, agent = source_for(*names, prepared), agent_for(*names, prepared)
    count = 2 if spec.continuous or small else ENVIRONMENTS
    environments = environments_for(task, method, config, 0, count, "probe")
    replay = replay_for(config, source, device)
    for episode in play(environments, Noise(spec.num_actions, spec.continuous, generator(0, 0, "probe")), source):
        replay.add(episode.slots)
    start = copied(agent.state())

    def sample(count: int, draw: torch.Generator) -> Batch:
        whole = agent.whole_sequences
        return source.batch(replay.sample(count, draw) if whole else replay.sample_transitions(count, draw), draw)

    def act() -> int:
        policy = Policy(agent, source, generator(0, 0, "acting", device))
        return sum(episode.length for episode in play(environments, policy, source))

    def update() -> Mapping[str, Any]:
        agent.load(start)
        with CpuNumbers():
            losses = agent.update(sample, generator(0, 0, "batches"), generator(0, 0, "noise", device))
        return {name: value for name, value in losses.items() if name.startswith("loss/")}

    return Probe(act, EPISODE, update, lambda: gradients_of(agent.parts))
