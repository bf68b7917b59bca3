"""How fast it is: rendering, acting, tracing, gradient steps; beside the plain twins where the tests are at hand."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mirl.measure import measure, peak_memory_mib
from mummi.agent import Agent
from mummi.config import CONFIGS, Config, configure
from mummi.envs import make_env, sizes_of
from mummi.framework import prepare, tf
from mummi.noise import graph_seed, update_noise
from mummi.play import at_random, by_agent, play
from mummi.replay import Replay
from mummi.streams import stream
from mummi.worlds import backgrounds_of, make_workers, options_of

TESTS = Path(__file__).parents[2] / "tests"
Row = dict[str, Any]
PLAIN_SIZE: dict[str, Any] = {"batch_size": 4, "batch_length": 10}
"""Sequences on which a gradient step is held against its unrolled twin."""


def bench(task: str) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same work, ratio_to_plain."""
    prepare(configure(task, "mummi", "faithful").threads, "cpu")
    rows = [environment_steps(task)]
    replay = random_replay(task, configure(task, "mummi", "faithful"))
    for method in CONFIGS:
        rows += learning(task, configure(task, method, "faithful"), method, replay)
    rows += [beside_plain(task, method, replay) for method in CONFIGS if plain_twins()]
    rows.append({"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"})
    return rows


def environment_steps(task: str) -> Row:
    """Milliseconds of an agent step without a policy; over the original's four renders."""
    config = configure(task, "mummi", "faithful")
    seconds = {}
    for plain in (False, True):
        options = replace(options_of(config, 0.0), plain=plain)
        environment = make_env(task, 0, backgrounds_of(config, "train"), options)
        environment.reset()
        draw = np.random.default_rng(0)
        size = sizes_of(task)[0]
        seconds[plain] = measure(lambda: environment.step(draw.uniform(-1, 1, size)), least_s=2.0, least_calls=20)  # noqa: B023
        environment.close()
    return {
        "name": "agent step of the environment", "value": 1000 * seconds[False], "unit": "ms",
        "ratio_to_plain": seconds[True] / seconds[False],
    }  # fmt: skip


def random_replay(task: str, config: Config) -> Replay:
    """A short random episode, held in memory."""
    short = replace(config, time_limit=2 * config.batch_length * config.action_repeat, fast_rendering=True)
    world = make_workers(task, 0, short, "train")
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(Path(folder))
        replay.add(play(world, at_random(world, sizes_of(task)[0], 0, 0))[0].entries)
    world.close()
    return replay


def batch_of(replay: Replay, config: Config, keys: list[str]) -> dict[str, Any]:
    """Random sequences of the config's number and length."""
    return replay.sample(stream(0, "bench"), config.batch_size, config.batch_length, False, keys)


def learning(task: str, config: Config, method: str, replay: Replay) -> list[Row]:
    """Tracing, gradient steps and acting of one method at the paper's sizes."""
    agent = Agent(config, *sizes_of(task), seed=0)
    batch = batch_of(replay, config, agent.learnt)
    start = time.perf_counter()
    agent.learn([batch], 0)
    first = time.perf_counter() - start
    step = measure(lambda: agent.learn([batch], 1))
    world = make_workers(task, 0, replace(config, time_limit=40), "train")
    choose = by_agent(agent, 1, True, lambda time: ("bench", time))
    observations = world.reset()
    start = time.perf_counter()
    choose(observations, 0)
    acting_trace = time.perf_counter() - start
    acting = measure(lambda: choose(observations, 1), least_calls=20)
    moving = measure(lambda: play(world, choose), least_s=0.0, least_calls=2) / 20
    world.close()
    size = f"{config.batch_size}x{config.batch_length}"
    each = config.train_steps / config.train_every * config.action_repeat
    return [
        {"name": f"{method}: tracing, all graphs", "value": first - step + acting_trace - acting, "unit": "s"},
        {"name": f"{method}: gradient step of {size}", "value": step, "unit": "s"},
        {"name": f"{method}: updates", "value": 1 / step, "unit": "updates/s"},
        {"name": f"{method}: policy call", "value": 1000 * acting, "unit": "ms"},
        {"name": f"{method}: acting", "value": config.action_repeat / moving, "unit": "env_steps/s"},
        {
            "name": f"{method}: end to end",
            "value": config.action_repeat / (moving + each * step),
            "unit": "env_steps/s",
        },
    ]


def beside_plain(task: str, method: str, replay: Replay) -> Row:
    """A gradient step's losses and gradients over the unrolled twin's, both as graphs, on a small batch."""
    plain = plain_twins()
    assert plain is not None
    config = replace(configure(task, method, "faithful"), **PLAIN_SIZE)
    agent = Agent(config, *sizes_of(task), seed=0)
    batch = {name: tf.constant(array) for name, array in batch_of(replay, config, agent.learnt).items()}
    noise = update_noise(tf.constant(graph_seed(0, "bench", 0)), config, agent.action_size)
    seconds, traces = [], []
    for compute in (agent.gradients, lambda *given: plain.learning.gradients(agent, *given)):
        graph = tf.function(compute)
        start = time.perf_counter()
        graph(batch, noise)
        traces.append(time.perf_counter() - start)
        seconds.append(measure(lambda: graph(batch, noise)))  # noqa: B023
    size = f"{config.batch_size}x{config.batch_length}"
    name = f"{method}: losses and gradients of {size} (unrolled: first call {traces[1]:.0f} s, here {traces[0]:.0f} s)"
    return {"name": name, "value": seconds[0], "unit": "s", "ratio_to_plain": seconds[1] / seconds[0]}


def plain_twins() -> ModuleType | None:
    """The package tests/plain of the repository, if there is one."""
    if not (TESTS / "plain" / "learning.py").is_file():
        return None
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    importlib.import_module("plain.learning")
    return importlib.import_module("plain")
