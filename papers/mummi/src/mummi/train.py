"""Training: prefill, then evaluations and episodes in turn; bursts of gradient steps between actions (card 5.11)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirl.run import Run
from mummi.agent import Agent
from mummi.config import Config
from mummi.envs import sizes_of
from mummi.evaluate import Test, robustness, write_test
from mummi.files import note_videos, write_original_files
from mummi.film import log_pictures
from mummi.framework import prepare
from mummi.learner import Learner
from mummi.play import Choose, Observations, Played, at_random, by_agent, play
from mummi.probe import probe
from mummi.replay import Replay, export_npz
from mummi.state import TrainState
from mummi.streams import derived_seed
from mummi.worlds import Worlds, open_worlds

OpenWorlds = Callable[[str, int, Config], AbstractContextManager[Worlds]]
PROBE_UPDATES = 50
"""Gradient steps between reports and measurements of the first burst where it is probed."""


def train(run: Run, config: Config, worlds: OpenWorlds = open_worlds, test: Test = robustness) -> None:
    """Train until `config.total_env_steps`, then test; everything that must survive a kill is in the state."""
    prepare(config.threads, run.device)
    with worlds(run.header.task, run.seed, config) as opened:
        training = Training(run, config, opened)
        training.prefill()
        training.begin()
        while training.state.env_step < config.total_env_steps:
            if training.state.left_to_collect <= 0:
                training.evaluate()
            training.collect()
            training.save_if_due()
        training.save()
        # the environments stay open: a signal in the test asks for one more checkpoint, which their state is part of
        episodes = test(training.agent, run.header, config, run.seed, training.save_if_asked)
    write_test(run, training.state.env_step, episodes)
    write_original_files(run.directory, run.header, config)


class Training:
    """One run's parts, and what is done with them."""

    def __init__(self, run: Run, config: Config, worlds: Worlds) -> None:
        self.run, self.config, self.worlds = run, config, worlds
        self.agent = Agent(config, *sizes_of(run.header.task), run.seed)
        self.replay = Replay(run.directory / "replay", config.replay_memory_mib * 2**20)
        self.learner = Learner(self.agent, self.replay, run.seed)
        self.should_log = run.clock("losses", config.log_every)
        self.state = run.restore(TrainState(self.agent, self.learner, self.replay, worlds.train, worlds.videos))
        note_videos(run.directory, worlds.videos)

    def prefill(self) -> None:
        """Episodes of uniformly random actions."""
        while self.state.env_step < self.config.prefill:
            choose = at_random(self.worlds.train, self.agent.action_size, self.run.seed, self.state.rounds)
            self.keep(play(self.worlds.train, at_each_step(self.save_if_asked, choose)))
            self.save_if_asked()

    def begin(self) -> None:
        """The gradient step that the original makes when it builds its agent."""
        if self.learner.updates == 0:
            if self.config.probe:
                self.probe(self.state.env_step)
            self.learner.learn(1)

    def evaluate(self) -> None:
        """Episodes with validation videos and the training's missing ratios; the first one brings the first burst."""
        step, config = self.state.env_step, self.config
        self.worlds.test.seed(derived_seed(self.run.seed, "evaluation", step))
        episodes = [self.evaluation_episode(step, number) for number in range(config.eval_episodes)]
        returns, lengths = [one.total for one in episodes], [one.length for one in episodes]
        self.run.log(step, {"eval/return": np.mean(returns), "eval/length": np.mean(lengths)})
        self.run.log_episodes(step, "curve", returns, lengths, [np.nan] * len(episodes))
        if config.log_images:
            log_pictures(self.run, step, self.agent, episodes[0])
        self.state.left_to_collect += config.eval_every
        self.state.begin_episodes()

    def evaluation_episode(self, step: int, number: int) -> Played:
        """One episode of the agent in the evaluation environment, keyed by environment step and number."""
        choose = by_agent(
            self.agent, 1, False, lambda time: (f"evaluate/{step}/{number}", time),
            lambda time: self.learn_if_due(step), self.state.script, number,
        )  # fmt: skip
        return play(self.worlds.test, choose)[0]

    def collect(self) -> None:
        """One episode in each training environment."""
        start, rows = self.state.env_step, len(self.worlds.train)
        per_step = self.config.action_repeat * rows
        choose = by_agent(
            self.agent, rows, True, lambda time: ("act", start + time * per_step),
            lambda time: self.learn_if_due(start + time * per_step), self.state.script,
        )  # fmt: skip
        episodes = play(self.worlds.train, choose)
        self.keep(episodes)
        self.state.left_to_collect -= self.state.env_step - start

    def keep(self, episodes: list[Played]) -> None:
        """Put episodes into the replay and say how they went."""
        for episode in episodes:
            if self.config.export_episodes:
                export_npz(episode.entries, self.run.directory / "episodes", len(self.replay), datetime.now(UTC))
            self.replay.add(episode.entries)
        self.state.rounds += 1
        self.state.env_step = self.replay.agent_steps * self.config.action_repeat
        self.state.begin_episodes()
        facts: dict[str, Any] = {
            "train/return": np.mean([episode.total for episode in episodes]),
            "train/length": np.mean([episode.length for episode in episodes]),
            "train/episodes": len(self.replay),
        }
        self.run.log(self.state.env_step, facts)

    def learn_if_due(self, env_step: int) -> None:
        """A burst of gradient steps where the schedule asks for one, and a report where one is due.

        A signal is heard before it and in its midst; what is still owed then is in the checkpoint.
        """
        learner, config = self.learner, self.config
        self.save_if_asked()
        if not learner.owed:
            learner.owed = learner.due(env_step)
        if not learner.owed:
            return
        probed = config.probe and learner.updates <= config.pretrain
        while learner.owed:
            self.save_if_asked()
            learner.pay(PROBE_UPDATES - (learner.updates - 1) % PROBE_UPDATES if probed else learner.owed)
            if probed and ((learner.updates - 1) % PROBE_UPDATES == 0 or not learner.owed):
                self.report(env_step)
                self.probe(env_step)
        if not probed and (self.should_log(env_step) or not learner.is_finite()):
            self.report(env_step)

    def probe(self, env_step: int) -> None:
        """Measure the agent as it is, on the same sequences each time."""
        self.run.log(env_step, probe(self.agent, self.replay, self.run.seed))

    def report(self, env_step: int) -> None:
        """Losses since the last report; raises NonFiniteLoss where one is not finite."""
        facts: dict[str, float] = {
            "train/expl_amount": self.agent.exploration(env_step),
            "train/updates": self.learner.updates,
            "time/fps": self.run.progress.env_steps_per_s,
        }
        self.run.log(env_step, self.learner.report() | facts)

    def save_if_asked(self) -> None:
        """Save where a signal asked the run to stop, which ends it here, between episodes or in their midst."""
        if self.run.stop_requested:
            self.save()

    def save_if_due(self) -> None:
        """The original saves after each evaluation's share of episodes; a signal does not wait for that."""
        cycle_ends = self.state.left_to_collect <= 0 and self.run.should_save(self.state.env_step)
        if cycle_ends:
            self.save()
        self.save_if_asked()

    def save(self) -> None:
        """Write the original's files and a checkpoint; raises Interrupted where a signal asked for it."""
        write_original_files(self.run.directory, self.run.header, self.config)
        self.run.save(self.state)


def at_each_step(before: Callable[[], None], choose: Choose) -> Choose:
    """The same choices, each after a call of `before`."""

    def choose_after(observations: Observations, step: int) -> NDArray[Any]:
        before()
        return choose(observations, step)

    return choose_after
