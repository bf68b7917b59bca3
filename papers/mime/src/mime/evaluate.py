"""The test protocol: fixed goals, ten inner steps on fresh episodes each, then the adapted policy (card 6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import gym
import numpy as np
import torch

from mime.agent import MamlAgent, MimeAgent, make_agent
from mime.config import MamlConfig, paper_settings
from mime.envs import Task, batch_of, horizon_of, make
from mime.files import write_test_files
from mime.memory import keep_freed_memory
from mime.rollout import Episodes
from mime.state import TrainState
from mime.streams import Streams, derived_seed
from mime.surrogate import Experience, MetaBatch
from mime.trajectories import film, picture
from mirl.checkpoint import load_checkpoint
from mirl.paper import EvaluateOptions
from mirl.run import Header
from mirl.sinks import TensorBoard

SETTINGS = ("test", "train")
"""The fixed compass goals, or fresh goals from the training distribution."""
FRAMES = 50
"""Of a film, whatever the horizon."""


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

    @property
    def goals(self) -> np.ndarray:
        """(tasks, 2)."""
        return np.stack([task["goal"] for task in self.tasks])


def environment_for(task: str, seed: int) -> gym.Env:
    """The gym environment of a task, its goals drawn from `seed`."""
    settings = paper_settings(task)
    return make(settings["env-name"], seed, **settings["env-kwargs"])


def horizon_for(task: str) -> int:
    """Steps per episode of a task."""
    return horizon_of(paper_settings(task)["env-name"])


def agent_for(task: str, config: MamlConfig, seed: int, device: str) -> MamlAgent:
    """A new agent for a task."""
    environment = environment_for(task, seed)
    sizes = environment.observation_space.shape[0], environment.action_space.shape[0]
    return make_agent(config, *sizes, seed, device)


def run_tests(agent: MamlAgent, config: MamlConfig, task: str, setting: str = "test") -> list[TestBatch]:
    """Repeat the protocol `config.evaluation_batches` times; no parameters are changed.

    Goals that are drawn have a key of their own: a run whose seed is the evaluation's did not train on them.
    """
    environment = environment_for(task, derived_seed(config.evaluation_seed, 0, f"{setting} goals")).unwrapped
    batches = []
    for number in range(config.evaluation_batches):
        draw_tasks = environment.sample_test_tasks if setting == "test" else environment.sample_tasks
        tasks = draw_tasks(config.meta_batch_size)
        batched = batch_of(environment, tasks, config.fast_batch_size, horizon_for(task), agent.device)
        draw = Streams(config.evaluation_seed, number, agent.device, f"{setting} ")
        steps, episodes = config.evaluation_steps, config.fast_batch_size
        batches.append(TestBatch(tasks, agent.collect(batched, len(tasks), episodes, draw, steps, exploring=True)))
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
            row |= {f"{phase}/{name}": value for name, value in phase_columns(experience, exploring).items()}
        table.append(row)
    return table


def phase_columns(experience: Experience, exploring: bool) -> dict[str, float]:
    """Columns of one phase of the test."""
    statistics = experience.episodes.statistics()
    columns = {"Returns": statistics["return"], "Success": statistics["success"]}
    if exploring:
        columns |= {
            "IntrinsicReturns": experience.intrinsic_return,
            "CombinedReturns": experience.combined_return,
        }
    return columns


def episode_rows(batches: list[TestBatch], adapted: bool) -> tuple[list[float], list[int], list[float]]:
    """Returns, lengths and successes of every episode, over batches, goals and episodes."""
    played = [batch.adapted if adapted else batch.unadapted for batch in batches]
    returns = [value for episodes in played for value in episodes.returns().flatten().tolist()]
    successes = [value for episodes in played for value in episodes.episode_successes().flatten().tolist()]
    return returns, [played[0].rewards.shape[1]] * len(returns), successes


def write_results(directory: Path, agent: MamlAgent, batches: list[TestBatch]) -> None:
    """The test's files and its picture of the trajectories."""
    write_test_files(directory, table_of(batches, isinstance(agent, MimeAgent)))
    folder = directory / "test" / "train_trajectories"
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    with TensorBoard(folder) as board:
        for tag, episodes in (("TrainTrajectories", batches[0].unadapted), ("ValidTrajectories", batches[0].adapted)):
            board.image(0, tag, picture(batches[0].goals, episodes))


def evaluate(directory: Path, header: Header, config: MamlConfig, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a trained run from its checkpoint; `--episodes` asks for at least that many adapted episodes per goal."""
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    if options.episodes is not None:
        config = replace(config, evaluation_batches=math.ceil(options.episodes / config.fast_batch_size))
    device = header.device if header.device == "cpu" or torch.cuda.is_available() else "cpu"
    agent = agent_for(header.task, config, header.seed, device)
    load_checkpoint(directory, TrainState(agent, environment_for(header.task, header.seed).unwrapped))
    setting = options.setting or SETTINGS[0]
    batches = run_tests(agent, config, header.task, setting)
    if setting == "test":
        write_results(directory, agent, batches)
    if options.video is not None:
        shown = [("before adaptation", batches[0].unadapted), ("after adaptation", batches[0].adapted)]
        film(options.video, batches[0].goals, shown, stride=horizon_for(header.task) // FRAMES)
    return metrics_of(batches)
