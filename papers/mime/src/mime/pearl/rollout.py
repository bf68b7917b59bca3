"""Sampling with a latent variable: training data for the replay, and the phases of a test (card 5.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mime.config import paper_settings, refuse_other_tasks_fields
from mime.envs import MetaEnvironment, SteppedEnvironment, Task, batch_of, make, pearl_tasks
from mime.pearl.agent import PearlAgent
from mime.pearl.config import PearlConfig
from mime.pearl.replay import Replay, Role
from mime.rollout import Episodes
from mime.streams import Streams, derived_seed
from mirl.config import require


@dataclass(frozen=True)
class World:
    """An environment with PEARL's fixed list of tasks, which are known by their index."""

    environment: MetaEnvironment
    tasks: list[Task]
    """Training tasks, then test tasks."""
    config: PearlConfig

    @property
    def training(self) -> list[int]:
        """Indices of the training tasks, which come first."""
        return list(range(self.config.n_train_tasks))

    @property
    def test(self) -> list[int]:
        """Indices of the test tasks, which come last."""
        return list(range(len(self.tasks) - self.config.n_eval_tasks, len(self.tasks)))

    def batch(self, indices: Sequence[int], episodes: int, draw: Streams, purpose: str) -> SteppedEnvironment:
        """Episodes of the tasks with these indices."""
        tasks, seed = [self.tasks[index] for index in indices], draw.seed_for(f"{purpose} starts")
        horizon = self.config.max_path_length
        return batch_of(self.environment, tasks, episodes, horizon, draw.device, seed)  # type: ignore[return-value]

    @property
    def action_bound(self) -> float:
        """The environment's actions lie within plus and minus this; the agent's within 1."""
        return float(self.environment.action_space.high[0])


def make_world(task: str, config: PearlConfig, seed: int) -> World:
    """The environment of a task of the suite with its training tasks drawn from `seed` (ledger 15); raises ConfigError
    for what a task has no use for, or has not got."""
    refuse_other_tasks_fields(task, config.pendulum_tasks)
    settings = paper_settings(task)
    extra = {"every_task": config.pendulum_tasks == "every"} if task.startswith("pendulum") else {}
    goals = derived_seed(seed, 0, "pearl tasks")
    environment = make(settings["env-name"], goals, **settings["env-kwargs"], **extra).unwrapped
    tasks = pearl_tasks(environment, config.n_train_tasks)
    existing = len(tasks) - config.n_train_tasks
    require(config.n_eval_tasks <= existing, "n_eval_tasks", config.n_eval_tasks, f"at most {existing} on {task}")
    return World(environment, tasks, config)


@dataclass(frozen=True)
class Played:
    """Episodes, and the same as the rows that replay and encoder take."""

    episodes: Episodes
    """With the environment's rewards; actions are the agent's, in [-1, 1]."""
    rows: Tensor
    """(tasks, episodes, time, width)."""

    def of_task(self, number: int) -> Tensor:
        """Rows of one task, episode after episode: (episodes x time, width)."""
        return self.rows[number].flatten(0, 1)


def play(
    environment: SteppedEnvironment, agent: PearlAgent, bound: float, latent: Tensor, noise: Tensor | None
) -> Played:
    """One episode per latent variable.

    latent: (tasks, episodes, latent); noise: standard normal, (tasks, time, episodes, actions), or None to act without.
    """
    observation = environment.reset()
    seen, actions, rewards, successes = [observation], [], [], []
    for step in range(environment.horizon):
        actions.append(agent.act(observation, latent, None if noise is None else noise[:, step]))
        observation, reward, success = environment.step(bound * actions[-1])
        seen.append(observation)
        rewards.append(reward)
        successes.append(success)
    observed, acted, paid = torch.stack(seen, 1), torch.stack(actions, 1), torch.stack(rewards, 1)
    rows = torch.cat([observed[:, :-1], acted, paid[..., None], observed[:, 1:]], dim=-1).transpose(1, 2)
    return Played(Episodes(observed[:, :-1], acted, paid, torch.stack(successes, 1)), rows)


class Sampler:
    """Plays tasks of a world with an agent; its random numbers come from one iteration's streams."""

    def __init__(self, world: World, agent: PearlAgent, draw: Streams) -> None:
        self.world, self.agent, self.draw = world, agent, draw

    def play(self, indices: Sequence[int], latent: Tensor, purpose: str, deterministic: bool = False) -> Played:
        """An episode per latent variable (tasks, episodes, latent)."""
        tasks, episodes, _ = latent.shape
        shape = tasks, self.world.config.max_path_length, episodes, self.agent.action_size
        environment = self.world.batch(indices, episodes, self.draw, purpose)
        noise = None if deterministic else self.draw.normal(f"{purpose} actions", *shape)
        return play(environment, self.agent, self.world.action_bound, latent, noise)

    def noise(self, tasks: int, episodes: int, purpose: str) -> Tensor:
        """Standard normal, (tasks, episodes, latent): a draw of z from the prior."""
        return self.draw.normal(f"{purpose} latent", tasks, episodes, self.world.config.latent_size)


def collect_first(sampler: Sampler, replay: Replay) -> list[Episodes]:
    """The data of every training task before the first iteration, with z from the prior; all of it is context."""
    config, tasks = sampler.world.config, sampler.world.training
    episodes = config.trajectories(config.num_initial_steps)
    played = sampler.play(tasks, sampler.noise(len(tasks), episodes, "first"), "first")
    for task in tasks:
        replay.add(task, "begins", played.of_task(task))
    return [played.episodes]


@dataclass(frozen=True)
class Part:
    """Data of the tasks of one iteration: what becomes of it, and where its latent variables came from."""

    role: Role
    source: Literal["prior", "posterior"]
    played: Played


def collect(sampler: Sampler, replay: Replay) -> dict[str, list[Episodes]]:
    """The data of one iteration, by where z came from.

    Every phase begins with a trajectory whose z is from the prior; after it z is inferred anew for each from the
    task's context so far. A task drawn twice is played twice, and keeps the later context.
    """
    config = sampler.world.config
    source = torch.Generator().manual_seed(sampler.draw.seed_for("tasks and contexts"))
    drawn = torch.randint(config.n_train_tasks, (config.num_tasks_sample,), generator=source).tolist()
    parts: list[Part] = []

    def play_part(role: Role, origin: Literal["prior", "posterior"], trajectories: int, purpose: str) -> None:
        latent = sampler.noise(len(drawn), trajectories, purpose)
        if origin == "posterior":
            known = torch.cat([part.played.rows.flatten(1, 2) for part in parts if part.role != "apart"], dim=1)
            latent = sampler.agent.infer(contexts_of(known, trajectories, config.embedding_batch_size, source), latent)
        parts.append(Part(role, origin, sampler.play(drawn, latent, purpose)))

    play_part("begins", "prior", config.trajectories(config.num_steps_prior), "prior")
    for k in range(config.trajectories(config.num_steps_posterior)):
        play_part("joins", "posterior" if k else "prior", 1, f"posterior {k}")
    extra = config.trajectories(config.num_extra_rl_steps_posterior)
    if extra:
        play_part("apart", "prior", 1, "extra from the prior")
    if extra > 1:
        play_part("apart", "posterior", extra - 1, "extra")
    for position, task in enumerate(drawn):
        for part in parts:
            replay.add(task, part.role, part.played.of_task(position))
    return {
        origin: [part.played.episodes for part in parts if part.source == origin] for origin in ("prior", "posterior")
    }


def contexts_of(known: Tensor, number: int, size: int, generator: torch.Generator) -> Tensor:
    """Contexts of `size` transitions drawn with replacement from each task's `known` (tasks, transitions, width), a
    `number` of them: (tasks, number, size, width)."""
    index = torch.randint(known.shape[1], (len(known), number, size), generator=generator).to(known.device)
    return known[torch.arange(len(known), device=known.device)[:, None, None], index]


def run_test(sampler: Sampler, indices: Sequence[int]) -> list[Episodes]:
    """Trajectory after trajectory on tasks of the world, `evaluation_batches` times at once.

    The first `num_exp_traj_eval` have z from the prior, the later ones from the posterior given all before; the policy
    takes its likeliest action. Returns
    (tasks, time, repetitions) episodes for each place in the sequence.
    """
    config, tasks = sampler.world.config, len(indices)
    phases: list[Played] = []
    for k in range(config.trajectories(config.num_steps_per_eval)):
        latent = sampler.noise(tasks, config.evaluation_batches, f"trajectory {k}")
        if k >= config.num_exp_traj_eval:
            latent = sampler.agent.infer(torch.cat([played.rows for played in phases], dim=2), latent)
        phases.append(sampler.play(indices, latent, f"trajectory {k}", deterministic=True))
    return [played.episodes for played in phases]
