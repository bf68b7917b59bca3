"""Stage 3: where data comes from, what is learnt from it, what is written down (card 6.3)."""

from __future__ import annotations

import math
import time

import torch

from mi_asym.building import agent_for, environments_for, replay_for, source_for
from mi_asym.config import TrainConfig
from mi_asym.config.fields import EPISODE
from mi_asym.config.methods import DqnConfig
from mi_asym.envs import environment_note, task_spec
from mi_asym.evaluate import episode_rows, judge, metrics_of
from mi_asym.experience import Batch, Source
from mi_asym.rollout import Episode, Expert, Noise, Policy, play
from mi_asym.stages import prepare_for
from mi_asym.state import TrainState
from mi_asym.streams import generator
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.run import Run


def train(run: Run, config: TrainConfig) -> None:
    """Train until `config.total_env_steps`; everything that must survive a kill is in `state`."""
    set_up_torch(config.threads)
    keep_freed_memory()
    task, method = run.header.task, run.header.method
    if environment_note(task):
        print(environment_note(task), flush=True)
    prepared = prepare_for(run, config)  # stages 1 and 2, where the method stands on them
    source = source_for(task, method, config, run.seed, run.device, prepared)
    agent = agent_for(task, method, config, run.seed, run.device, prepared)
    environments = environments_for(task, method, config, run.seed, config.num_envs, "train")
    judged = environments_for(task, method, config, run.seed, config.eval_episodes, "eval")
    state = run.restore(TrainState(agent, replay_for(config, source, run.device), environments, judged))
    should_evaluate = run.clock("evaluate", EPISODE * config.eval_interval)
    if state.env_step == 0 and prepared:
        run.log(0, {f"loss/stage_2_{name}": loss for name, loss in prepared.losses.items()})

    try:
        began = time.perf_counter(), state.env_step
        while state.env_step < config.total_env_steps or state.updates_due:
            if state.updates_due:
                learn(state, source, run)
            else:
                gather(state, source, config, run)
            if not state.updates_due and should_evaluate(state.env_step):
                began = write_down(run, state, source, began)
                if run.should_save(state.env_step):
                    run.save(state)
            elif run.stop_requested:
                run.save(state)
        if state.evaluated_at != state.env_step:
            write_down(run, state, source, began)
        run.save(state)
    finally:
        environments.close()
        judged.close()


def learn(state: TrainState, source: Source, run: Run) -> None:
    """One update."""
    draw = generator(run.seed, state.updates, "batches")
    noise = generator(run.seed, state.updates, "update", run.device)
    replay, whole = state.replay, state.agent.whole_sequences

    def sample(count: int, chooser: torch.Generator) -> Batch:
        drawn = replay.sample(count, chooser) if whole else replay.sample_transitions(count, chooser)
        return source.batch(drawn, chooser)

    state.means.add(state.agent.update(sample, draw, noise))
    state.updates += 1
    state.updates_due -= 1


def gather(state: TrainState, source: Source, config: TrainConfig, run: Run) -> None:
    """Every environment plays an episode, by expert, at random or by the policy; the steps earn updates."""
    wanted = getattr(config, "start_expert_training", 0)
    if state.expert_episodes < wanted:
        expert = Expert(state.expert_tried, informed=run.header.method == "mdp")
        episodes = play(state.environments, expert, source, config.time_out_ends, expert=True)
        state.expert_tried += len(episodes)
        if state.agent.whole_sequences:  # memories learn from what succeeded
            episodes = [episode for episode in episodes if episode.success]
        store(state, episodes)
        state.expert_episodes += len(episodes)
        if state.expert_episodes >= wanted:
            state.updates_due = int(state.env_step * config.updates_per_step)
    elif not state.warmed_up and state.env_step < EPISODE * config.start_training:
        spec = task_spec(run.header.task)
        draw = generator(run.seed, state.waves, "random actions")
        store(
            state,
            play(state.environments, Noise(spec.num_actions, spec.continuous, draw), source, config.time_out_ends),
        )
        warm(state, config)
    elif not state.warmed_up:  # the expert's steps were as many
        warm(state, config)
    else:
        noise = generator(run.seed, state.waves, "acting", run.device)
        policy = Policy(state.agent, source, noise, state.policy_actions, lambda played: epsilon_after(played, config))
        episodes = play(state.environments, policy, source, config.time_out_ends)
        state.policy_actions = policy.played
        store(state, episodes)
        steps = sum(episode.length for episode in episodes)
        state.updates_due = math.ceil(config.updates_per_step * steps)
    state.waves += 1


def store(state: TrainState, episodes: list[Episode]) -> None:
    """Keep episodes, count their steps and what they came to."""
    for episode in episodes:
        if episode.length >= 2:  # a sequence needs two (card 5.8)
            state.replay.add(episode.slots)
        state.env_step += episode.length
        told = {"train/return": episode.total, "train/success": float(episode.success), "train/length": episode.length}
        state.means.add({name: torch.tensor(float(value)) for name, value in told.items()})


def warm(state: TrainState, config: TrainConfig) -> None:
    """Once the random episodes are over, all steps so far earn their updates."""
    if state.env_step >= EPISODE * config.start_training:
        state.warmed_up = True
        state.updates_due = int(state.env_step * config.updates_per_step)


def epsilon_after(played: int, config: TrainConfig) -> float:
    """Probability of a random action after so many policy actions: 1 + (last - 1) k / n, then constant (card 5.4). Zero
    for agents that explore by their own noise."""
    if not isinstance(config, DqnConfig):
        return 0.0
    return 1.0 + (config.last_epsilon - 1.0) * min(1.0, played / config.exploration_steps)


def write_down(run: Run, state: TrainState, source: Source, began: tuple[float, int]) -> tuple[float, int]:
    """Evaluate, and write down that and the means since the last time; returns the present moment and step."""
    episodes = judge(state.agent, state.judged, source)
    now = time.perf_counter()
    rate = (state.env_step - began[1]) / (now - began[0])
    metrics = state.means.take() | metrics_of(run.header.task, episodes)
    metrics |= {"train/updates": state.updates, "train/log10_target_lag": state.agent.target_lag()}
    run.log(state.env_step, metrics | {"time/env_steps_per_s": rate})
    run.log_episodes(state.env_step, "test", *episode_rows(episodes))
    state.evaluated_at = state.env_step
    return time.perf_counter(), state.env_step
