"""The test protocol: fixed goals, ten inner steps on fresh episodes each, then the adapted policy (card 6)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gym
import numpy as np
import torch

from mime.agent import MamlAgent, MamlExplAgent, make_agent
from mime.config import MamlConfig, paper_settings, refuse_other_tasks_fields
from mime.envs import Task, batch_of, dynamics_size_of, horizon_of, make
from mime.files import write_test_files
from mime.rollout import Episodes, class_statistics
from mime.state import TrainState
from mime.streams import Streams, derived_seed
from mime.surrogate import Experience, MetaBatch
from mime.trajectories import Scene, film_trajectories, picture, scene_of
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.checkpoint import load_checkpoint
from mirl.config import ConfigError
from mirl.paper import EvaluateOptions
from mirl.run import Header
from mirl.sinks import TensorBoard

SETTINGS = ("test", "train")
"""The task's test goals, or fresh ones from the training distribution (of PEARL: the goals it trained on)."""


@dataclass(frozen=True)
class TestBatch:
    """One repetition of the protocol."""

    __test__ = False  # not a test case, whatever its name
    tasks: list[Task]
    data: MetaBatch

    @property
    def unadapted(self) -> Episodes:
        """Episodes of the policy as it was meta-learned."""
        return (self.data.train[0] if self.data.train else self.data.valid).episodes

    @property
    def adapted(self) -> Episodes:
        """Episodes after all inner steps."""
        return self.data.valid.episodes


def environment_for(task: str, seed: int, config: MamlConfig) -> gym.Env:
    """The gym environment of a task, its goals drawn from `seed`; raises ConfigError for what a task has no use for."""
    refuse_other_tasks_fields(task, config.pendulum_tasks, config.ml10_preset)
    settings = paper_settings(task)
    chosen: dict[str, dict[str, Any]] = {
        "MetaPendulum-v0": {"every_task": config.pendulum_tasks == "every"},
        "Metaworld-ML10": {"preset": config.ml10_preset, "num_workers": config.num_workers},
    }
    name = settings["env-name"]
    return make(name, seed, **settings["env-kwargs"], **chosen.get(name, {}))


def horizon_for(task: str) -> int:
    """Steps per episode of a task."""
    return horizon_of(paper_settings(task)["env-name"])


def agent_for(task: str, config: MamlConfig, seed: int, device: str) -> MamlAgent:
    """A new agent for a task."""
    environment = environment_for(task, seed, config)
    sizes = environment.observation_space.shape[0], environment.action_space.shape[0]
    return make_agent(config, *sizes, seed, device, dynamics_size_of(environment))


def run_tests(agent: MamlAgent, config: MamlConfig, task: str, setting: str = "test") -> list[TestBatch]:
    """Repeat the protocol `config.evaluation_batches` times; no parameters are changed.

    Goals that are drawn have a key of their own: a run whose seed is the evaluation's did not train on them.
    """
    seed = derived_seed(config.evaluation_seed, 0, f"{setting} goals")
    environment = environment_for(task, seed, config).unwrapped
    batches = []
    for number in range(config.evaluation_batches):
        draw_tasks = environment.sample_test_tasks if setting == "test" else environment.sample_tasks
        tasks = draw_tasks(config.meta_batch_size)
        draw = Streams(config.evaluation_seed, number, agent.device, f"{setting} ")
        steps, episodes = config.evaluation_steps, config.fast_batch_size
        batched = batch_of(environment, tasks, episodes, horizon_for(task), agent.device, draw.seed_for("starts"))
        batches.append(
            TestBatch(tasks, agent.collect(batched, len(tasks), episodes, draw, steps, agent.explores(None)))
        )
    return batches


def metrics_of(batches: list[TestBatch]) -> dict[str, float]:
    """Means over batches, goals and episodes: adapted, unadapted, and after each inner step."""

    def mean(name: str, phase: int) -> float:
        phases = [[*batch.data.train, batch.data.valid][phase] for batch in batches]
        return float(np.mean([experience.episodes.statistics()[name] for experience in phases]))

    metrics: dict[str, float] = {}
    for name in ("return", "success", "trajectory_success", "travel"):
        metrics |= {f"eval/{name}": mean(name, -1), f"eval/{name}_unadapted": mean(name, 0)}
    steps = len(batches[0].data.train)
    return metrics | {f"eval/return_step_{step}": mean("return", step) for step in range(steps + 1)}


def table_of(batches: list[TestBatch], exploring: bool) -> list[dict[str, float]]:
    """One row per batch in the original's columns: Batch, Train-0 ... Train-9 and Valid (card 6)."""
    table = []
    for number, batch in enumerate(batches):
        row: dict[str, float] = {"Batch": number}
        named = [(f"Train-{step}", experience) for step, experience in enumerate(batch.data.train)]
        for phase, experience in [*named, ("Valid", batch.data.valid)]:
            row |= {
                f"{phase}/{name}": value for name, value in phase_columns(batch.tasks, experience, exploring).items()
            }
        table.append(row)
    return table


def phase_columns(tasks: Sequence[Task], experience: Experience, exploring: bool) -> dict[str, float]:
    """Columns of one phase of the test; ML10 has some for each class."""
    statistics = experience.episodes.statistics()
    columns = {"Returns": statistics["return"], "Success": statistics["success"]}
    if exploring:
        columns |= {
            "IntrinsicReturns": experience.intrinsic_return,
            "CombinedReturns": experience.combined_return,
        }
    for name, values in class_statistics(tasks, experience.episodes).items():
        columns |= {f"{name}/Returns": values["return"], f"{name}/Success": values["success"]}
    return columns


def episode_rows(batches: list[TestBatch], adapted: bool) -> tuple[list[float], list[int], list[float]]:
    """Returns, lengths and successes of every episode, over batches, goals and episodes."""
    played = [batch.adapted if adapted else batch.unadapted for batch in batches]
    returns = [value for episodes in played for value in episodes.returns().flatten().tolist()]
    successes = [value for episodes in played for value in episodes.episode_successes().flatten().tolist()]
    return returns, [played[0].rewards.shape[1]] * len(returns), successes


def write_results(directory: Path, agent: MamlAgent, batches: list[TestBatch], scene: Scene | None) -> None:
    """The test's files and, where the environment has a scene, its picture of the trajectories."""
    write_test_files(directory, table_of(batches, isinstance(agent, MamlExplAgent)))
    folder = directory / "test" / "train_trajectories"
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    if scene is None:
        return
    with TensorBoard(folder) as board:
        for tag, episodes in (("TrainTrajectories", batches[0].unadapted), ("ValidTrajectories", batches[0].adapted)):
            board.image(0, tag, picture(scene, batches[0].tasks, episodes))


def trained_agent(directory: Path, header: Header, config: MamlConfig) -> MamlAgent:
    """The agent of a run directory, from its checkpoint."""
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    agent = agent_for(header.task, config, header.seed, device)
    load_checkpoint(directory, TrainState(agent, environment_for(header.task, header.seed, config).unwrapped))
    return agent


def evaluate(directory: Path, header: Header, config: MamlConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; `--episodes` asks for at least that many adapted episodes per goal."""
    set_up_torch(config.threads)
    keep_freed_memory()
    scene = scene_of(environment_for(header.task, header.seed, config))
    if options.video is not None and scene is None:
        raise ConfigError(f"--video cannot film {header.task}: its trajectories do not lie in a plane")
    if options.episodes is not None:
        config = replace(config, evaluation_batches=math.ceil(options.episodes / config.fast_batch_size))
    agent = trained_agent(directory, header, config)
    setting = options.setting or SETTINGS[0]
    batches = run_tests(agent, config, header.task, setting)
    if setting == "test":
        write_results(directory, agent, batches, scene)
    if options.video is not None and scene is not None:
        shown = [("before adaptation", batches[0].unadapted), ("after adaptation", batches[0].adapted)]
        film_trajectories(options.video, scene, batches[0].tasks, shown)
    return metrics_of(batches)
