"""How fast it is: rendering, acting, tracing, gradient steps; beside the plain twins where the tests are at hand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mirl.measure import measure, peak_memory_mib, plain_twins
from mummi.agent import Agent
from mummi.config import CONFIGS, Config, configure
from mummi.envs import make_env, sizes_of
from mummi.framework import prepare, tf
from mummi.noise import graph_seed, update_noise
from mummi.play import at_random, by_agent, play
from mummi.replay import Replay
from mummi.streams import stream
from mummi.worlds import backgrounds_of, make_workers, options_of

PROJECT = Path(__file__).parents[2]
Row = dict[str, Any]
THREADS = 2
"""The yardsticks are for two cores."""
PLAIN_SIZE: dict[str, Any] = {"batch_size": 4, "batch_length": 10}
"""Sequences on which a gradient step is held against its unrolled twin."""


def bench(task: str, changes: Mapping[str, Any] | None = None) -> list[Row]:
    """Rows of name, value, unit and, where a plain twin was timed on the same work, ratio_to_plain.

    `changes` replaces fields of the paper's configs, so that a test can ask for less.
    """
    changes = {"threads": THREADS, **(changes or {})}
    configs = {method: replace(configure(task, method, "faithful"), **changes) for method in CONFIGS}
    prepare(changes["threads"], "cpu")
    rows = [environment_steps(task, configs["mummi"])]
    replay = random_replay(task, configs["mummi"])
    for method, config in configs.items():
        rows += learning(task, config, method, replay)
    if plain_twins(PROJECT, "learning"):
        rows += [
            beside_plain(task, replace(config, **{**PLAIN_SIZE, **changes}), method, replay)
            for method, config in configs.items()
        ]
    rows.append({"name": "peak memory", "value": peak_memory_mib(), "unit": "MiB"})
    return rows


def environment_steps(task: str, config: Config) -> Row:
    """Milliseconds of an agent step without a policy, nothing missing; over the original's four renders."""
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
    """Tracing, gradient steps and acting of one method."""
    agent = Agent(config, *sizes_of(task), seed=0)
    batch = batch_of(replay, config, agent.learnt)
    first = seconds_of(lambda: agent.learn([batch], 0))
    step = measure(lambda: agent.learn([batch], 1))
    beside = beside_all_rows(task, method, agent, batch)
    short = replace(config, time_limit=config.batch_length * config.action_repeat)  # the least that a config allows
    world = make_workers(task, 0, short, "train")
    choose = by_agent(agent, 1, True, lambda time: ("bench", time))
    observations = world.reset()
    first_choice = seconds_of(lambda: choose(observations, 0))
    choice = measure(lambda: choose(observations, 1), least_calls=20)
    moving = measure(lambda: play(world, choose), least_s=0.0, least_calls=1) / short.episode_length
    world.close()
    size = f"{config.batch_size}x{config.batch_length}"
    each = config.train_steps / config.train_every * config.action_repeat
    values = {
        "tracing, all graphs": (first - step + first_choice - choice, "s"),
        f"gradient step of {size}": (step, "s"),
        "updates": (1 / step, "updates/s"),
        "policy call": (1000 * choice, "ms"),
        "acting": (config.action_repeat / moving, "env_steps/s"),
        "end to end": (config.action_repeat / (moving + each * step), "env_steps/s"),
    }
    rows = [{"name": f"{method}: {name}", "value": value, "unit": unit} for name, (value, unit) in values.items()]
    return [*rows, beside]


def beside_all_rows(task: str, method: str, agent: Agent, batch: dict[str, Any]) -> Row:
    """Processor time of a gradient step over that of an agent which computes missing frames like others."""
    plain = Agent(agent.config, *sizes_of(task), seed=0)
    plain.model.skips_missing = False
    seconds = [processor_seconds(one, batch) for one in (agent, plain)]
    size = f"{agent.config.batch_size}x{agent.config.batch_length}"
    return {
        "name": f"{method}: processor time of a gradient step of {size} (over computing missing frames, too)",
        "value": seconds[0], "unit": "s", "ratio_to_plain": seconds[1] / seconds[0],
    }  # fmt: skip


def processor_seconds(agent: Agent, batch: dict[str, Any]) -> float:
    """Of a gradient step, all threads together: it says the same where others use the machine, too."""
    agent.learn([batch], 1)
    start = time.process_time()
    agent.learn([batch], 1)
    return time.process_time() - start


def seconds_of(function: Callable[[], Any]) -> float:
    """Of one call, the first: it traces."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def beside_plain(task: str, config: Config, method: str, replay: Replay) -> Row:
    """A gradient step's losses and gradients over the unrolled twin's, both as graphs."""
    plain = plain_twins(PROJECT, "learning")
    assert plain is not None
    agent = Agent(config, *sizes_of(task), seed=0)
    batch = {name: tf.constant(array) for name, array in batch_of(replay, config, agent.learnt).items()}
    noise = update_noise(tf.constant(graph_seed(0, "bench", 0)), config, agent.action_size)
    seconds, traces = [], []
    for compute in (agent.gradients, lambda *given: plain.learning.gradients(agent, *given)):
        graph = tf.function(compute)
        traces.append(seconds_of(lambda: graph(batch, noise)))  # noqa: B023
        seconds.append(measure(lambda: graph(batch, noise)))  # noqa: B023
    size = f"{config.batch_size}x{config.batch_length}"
    name = f"{method}: losses and gradients of {size} (unrolled: first call {traces[1]:.0f} s, here {traces[0]:.0f} s)"
    return {"name": name, "value": seconds[0], "unit": "s", "ratio_to_plain": seconds[1] / seconds[0]}
