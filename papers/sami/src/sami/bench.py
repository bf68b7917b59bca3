"""How fast it is: playing, gradient steps, both together, beside the plain twin where the tests are at hand."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mirl.arithmetic import set_up_torch
from mirl.measure import measure, peak_memory_mib, plain_twins
from sami.agent import Agent
from sami.assembly import make_agent, make_buffer, make_world
from sami.config import SaCcmConfig, training_tuples
from sami.envs import sizes_of
from sami.envs.panda import PandaPush
from sami.envs.panda_scene import build
from sami.fidelity import configure
from sami.floor import floor_s, spent
from sami.objectives import pairs_loss
from sami.replay import TrajectoryBuffer
from sami.rollout import Player
from sami.streams import normal, uniform

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]
THREADS = 2
"""The yardsticks are for two cores."""
PLAIN_BATCH = 4
"""Trajectories where a plain twin is timed, a quarter of the default; the fast one gets the same."""
PLAIN_HORIZON = 500
"""Steps of those trajectories at most: the plain pair matrices of longer ones do not fit a small machine."""
PLAIN_EMBEDDINGS = 4000
"""Queries, positives and negatives where the loss alone is timed, half of HalfCheetah's default."""
STEPS = 256


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same size, ratio_to_plain."""
    config = replace(configure(task, "saccm", "faithful"), threads=THREADS)
    assert isinstance(config, SaCcmConfig)
    set_up_torch(THREADS)
    playing = Case(task, config)
    steps = STEPS * config.slots
    at_random, with_policy = (steps / measure(lambda r=r: playing.play(r)) for r in (STEPS, 0))  # type: ignore[misc]
    step_s = playing.seconds_per_gradient_step()
    turn_s = config.train_freq * config.slots / with_policy + config.gradient_steps * step_s
    size = f"{config.batch_size} + {config.contrasted} trajectories of {config.horizon} steps"
    device = playing.agent.device.type
    least_s = floor_s(config, *sizes_of(task), device)
    over_floor = spent(playing.gradient_step, device) / least_s
    gpu = [{"name": "peak GPU memory", "value": torch.cuda.max_memory_allocated() / 2**20, "unit": "MiB"}]
    return [
        {"name": f"playing {config.slots} slots, random actions", "value": at_random, "unit": "env_steps/s"},
        {"name": f"playing {config.slots} slots, policy and context", "value": with_policy, "unit": "env_steps/s"},
        {"name": f"gradient step, {size}", "value": step_s, "unit": "s"},
        {"name": "floor of it, its arithmetic alone", "value": least_s, "unit": "s of CPU"},
        {"name": "gradient step over its floor", "value": over_floor, "unit": "times"},
        {"name": "updates", "value": 1 / step_s, "unit": "gradient steps/s"},
        {
            "name": "end to end (computed from the rows above)",
            "value": config.train_freq * config.slots / turn_s,
            "unit": "env_steps/s",
        },
        {"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"},
        *(gpu if device == "cuda" else []),
        *(panda_steps() if task == "panda" else []),
        *beside_plain(task, config),
    ]


def panda_steps() -> list[Row]:
    """An environment's steps beside panda-gym's own and beside Bullet's physics alone, which is not ours to shorten."""
    ours, stock = PandaPush(seed=0), build()
    moves = uniform(0, 0, "moves", STEPS, 4).numpy()
    ours.reset()

    def per_step(step: Callable[[Any], object]) -> float:
        return spent(lambda: [step(move) for move in moves], "cpu") / STEPS

    def physics(move: Any) -> None:
        ours.scene.pass_time()

    own_s, stock_s, physics_s = per_step(ours.step), per_step(stock.step), per_step(physics)
    for environment in (ours, stock):
        environment.close()
    return [
        {"name": "a step of Panda, with its skill", "value": 1e3 * own_s, "unit": "ms of CPU"},
        {"name": "panda-gym's own step over it", "value": stock_s / own_s, "unit": "times"},
        {"name": "it over Bullet's physics at rest", "value": own_s / physics_s, "unit": "times"},
    ]


class Case:
    """An agent with its environments and a buffer full of made-up trajectories."""

    def __init__(self, task: str, config: SaCcmConfig, trajectories: int = 8) -> None:
        self.config = config
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.agent: Agent = make_agent(task, config, seed=0, device=device)
        slots = make_world(task, config, training_tuples(task, config), seed=0)
        self.player = Player(slots, self.agent, seed=0)
        self.kept, self.spare = (
            make_buffer(slots, replace(config, buffer_size=trajectories), 0, device) for _ in range(2)
        )
        fill(self.kept, slots.observation_size, slots.action_size)

    def play(self, random_steps: int) -> None:
        """Some steps of all slots."""
        self.player.collect(self.spare, STEPS, random_steps, turn=0)

    def gradient_step(self) -> None:
        """One, with all that belongs to it."""
        self.agent.gradient_step(self.kept, 0)
        if self.agent.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds_per_gradient_step(self) -> float:
        """Median of three."""
        return measure(self.gradient_step)


def fill(buffer: TrajectoryBuffer, observation_size: int, action_size: int) -> None:
    """Trajectories of full length with noise for content and different returns."""
    steps = buffer.horizon
    for number in range((buffer.places - 1) * buffer.slots):
        rewards = normal(0, number, "rewards", steps) + number
        observations = normal(0, number, "observations", steps, observation_size)
        buffer.extend(number % buffer.slots, observations, uniform(0, number, "moves", steps, action_size), rewards)
        buffer.finish(number % buffer.slots, observations[-1], False)


def beside_plain(task: str, config: SaCcmConfig) -> list[Row]:
    """Fast and plain, one after the other, on a reduced batch; none where the tests are not at hand."""
    plain = plain_twins(PROJECT)
    if plain is None:
        return []
    batch = -(-PLAIN_BATCH // config.slots) * config.slots
    small = replace(config, batch_size=batch, horizon=min(config.horizon, PLAIN_HORIZON))
    case = Case(task, small)
    twin = copy.deepcopy(case.agent)
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            f"gradient step, {batch} + {batch} trajectories of {small.horizon} steps",
            case.gradient_step,
            lambda: plain.learning.gradient_step(twin, case.kept, 0),
        ),
        (
            f"contrastive loss and its gradient, {PLAIN_EMBEDDINGS:,} queries",
            lambda: gradient_of(pairs_loss, case.agent.device),
            lambda: gradient_of(plain.learning.pairs_loss, case.agent.device),
        ),
    ]
    rows = []
    for name, fast, slow in pairs:
        quick = measure(fast, least_s=0.2)
        start = time.perf_counter()
        slow()
        ratio = (time.perf_counter() - start) / quick
        rows.append({"name": name, "value": quick, "unit": "s", "ratio_to_plain": ratio})
    return rows


def gradient_of(loss: Callable[..., Tensor], device: torch.device) -> Tensor:
    """Of a contrastive loss in the queries."""
    queries, positives, negatives = (
        normal(0, number, "embeddings", PLAIN_EMBEDDINGS, 6, device=device.type) for number in range(3)
    )
    (gradient,) = torch.autograd.grad(loss(queries.requires_grad_(), positives, negatives), [queries])
    return gradient
