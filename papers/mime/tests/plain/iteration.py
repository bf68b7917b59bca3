"""A whole iteration from the method card alone: played, judged, adapted and learnt, one task after another.

Of the product it takes the names of the random streams, the configs, the layouts and the classes that hold data. Run
it in float64 (`torch.set_default_dtype`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gym
import numpy as np
import torch
from gym import spaces
from torch import Tensor

from mime.config import EMamlConfig, MamlConfig, MamlExplConfig, MamlNoiseConfig, MimeConfig
from mime.dynamics import DynamicsModel
from mime.envs import Task
from mime.networks import Layout
from mime.rollout import Episodes
from mime.streams import Streams
from mime.surrogate import Experience, MetaBatch
from plain import dynamics, e_maml, exploration, maml, rollout

State = dict[str, Tensor]
"""`policy` and, of mime, `dynamics`, `dynamics_gradient` (their running sum) and `eta` (a logit)."""


class Plane(gym.Env):
    """The sparse 2D navigation of card 4.1 in float64; positions are (2,)."""

    observation_space = spaces.Box(-np.inf, np.inf, shape=(2,), dtype=np.float64)

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon

    def reset_task(self, task: Task) -> None:
        self.goal = task["goal"]

    def reset(self) -> np.ndarray:
        self.position, self.time = np.zeros(2), 0
        return self.position

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, dict[str, float]]:
        self.position = self.position + np.clip(action, -0.1, 0.1)
        self.time += 1
        near = float(np.sqrt(((self.position - self.goal) ** 2).sum()) < 1)
        return self.position, near, self.time == self.horizon, {"success": near}


@dataclass(frozen=True)
class Setting:
    """What stays as it is during an iteration."""

    config: MamlConfig
    policy: Layout
    model: DynamicsModel | None
    """None for methods without one."""
    draw: Streams

    @property
    def exploring(self) -> bool:
        """Card 5.5: the epoch, counted from 0, is above pre-epochs."""
        return isinstance(self.config, MamlExplConfig) and self.draw.iteration > self.config.pre_epochs

    def noise(self, purpose: str, *leading: int) -> list[Tensor]:
        """Standard normal numbers for each layer of the dynamics model, (*leading, units)."""
        biases = [shape for name, shape in self.model.layout.shapes.items() if name.endswith("b_mu")]
        return [self.draw.normal(f"{purpose} layer {i}", *leading, units) for i, (units,) in enumerate(biases)]

    def minibatch_noise(self, purpose: str, inputs: Tensor) -> list[Tensor]:
        """Noise of the inner dynamics loss on `inputs` (tasks, time - 1, episodes, size): one draw per chunk."""
        rows = inputs.shape[1] * inputs.shape[2]
        chunks = len(range(0, rows, self.model.chunk or rows))
        return self.noise(purpose, len(inputs), chunks, self.model.samples)


@dataclass(frozen=True)
class Outcome:
    """What an iteration saw and what it left."""

    batch: MetaBatch
    gradient: Tensor
    """Of the outer loss, (parameters,)."""
    eta_gradient: Tensor | None
    """None where eta is not learnt."""
    state: State
    metrics: dict[str, float]


def iteration(setting: Setting, state: State, environment: gym.Env, tasks: Sequence[Task]) -> Outcome:
    """One iteration from `state`, in the order of card 6."""
    batch = collect(setting, state, environment, tasks)
    after, metrics = dict(state), {}
    if setting.model is not None:
        learnt, metrics = learn_dynamics(setting, state, batch)
        after |= learnt
    eta_gradient = None
    learns_eta = setting.exploring and isinstance(setting.config, MimeConfig)
    if learns_eta:
        config = setting.config
        eta_gradient = maml.eta_gradient(
            setting.policy, state["policy"], batch, state["eta"], config.fast_lr, config.gamma, config.gae_lambda
        )
        after["eta"] = moved_eta(state["eta"], eta_gradient, config.eta_lr)
    released = learns_eta and setting.config.eta_update == "before_policy"
    gradient, after["policy"], policy_metrics = learn_policy(
        setting, state["policy"], batch, after["eta"] if released else None
    )
    return Outcome(batch, gradient, eta_gradient, after, metrics | policy_metrics)


# Playing and judging (card 5.2, 5.3)


def collect(setting: Setting, state: State, environment: gym.Env, tasks: Sequence[Task]) -> MetaBatch:
    """Play, adapt each task's policy, play again."""
    config, train = setting.config, []
    policies = torch.stack([state["policy"]] * len(tasks))
    for step in range(config.num_steps):
        train.append(played(setting, state, environment, tasks, policies, [], f"train {step}"))
        inner = [(train[-1].episodes, train[-1].advantages)]
        policies = torch.stack(
            [
                maml.adapted(setting.policy, policy.requires_grad_(), inner, k, config.fast_lr, first_order=True)
                for k, policy in enumerate(policies)
            ]
        ).detach()
    return MetaBatch(train, played(setting, state, environment, tasks, policies, train, "valid"))


def played(
    setting: Setting, state: State, environment: gym.Env, tasks: Sequence[Task], policies: Tensor,
    before: list[Experience], name: str,
) -> Experience:  # fmt: skip
    """The episodes of one phase, judged. policies: (tasks, parameters); `before`: what the task was adapted on."""
    shape = len(tasks), environment.horizon, setting.config.fast_batch_size, 2
    noise = setting.draw.normal(f"{name} actions", *shape)
    episodes = rollout.sample(environment, tasks, setting.policy, policies, noise)
    if isinstance(setting.config, MamlNoiseConfig):
        return judged(setting.config, episodes, setting.draw.normal(f"{name} noise", *shape[:3]), None)
    if not setting.exploring:
        return judged(setting.config, episodes, None, None)
    share = torch.tensor(setting.config.eta)
    eta = state.get("eta", torch.log(share / (1 - share)))
    return judged(setting.config, episodes, information(setting, state, episodes, before, name), eta)


def judged(config: MamlConfig, episodes: Episodes, gained: Tensor | None, eta: Tensor | None) -> Experience:
    """Standardise, mix, fit the baseline and estimate advantages, task by task.

    gained: intrinsic rewards as they are, (tasks, time, episodes), with the logit that mixes them; or noise without.
    """
    tasks = range(len(episodes.rewards))
    extrinsic, intrinsic = [standardised(episodes.rewards[k]) for k in tasks], None
    rewards = extrinsic
    if isinstance(config, MamlNoiseConfig):
        intrinsic = [config.noise_sd * gained[k] for k in tasks]
        rewards = [extrinsic[k] + intrinsic[k] for k in tasks]
    elif gained is not None:
        intrinsic = [standardised(gained[k]) for k in tasks]
        rewards = [maml.mixed(extrinsic[k], intrinsic[k], eta) for k in tasks]
    values = [baseline(episodes.observations[k], returns(rewards[k], config.gamma)) for k in tasks]
    advantages = [maml.advantages(rewards[k], values[k], config.gamma, config.gae_lambda) for k in tasks]
    return Experience(
        episodes,
        torch.stack(extrinsic),
        None if intrinsic is None else torch.stack(intrinsic),
        torch.stack(values),
        torch.stack(advantages),
        intrinsic_return=0.0 if gained is None else float(gained.sum(1).mean()),
        combined_return=0.0 if gained is None else float(torch.stack(rewards).sum(1).mean()),
    )


def standardised(rewards: Tensor) -> Tensor:
    """(time, episodes) of one task, over both."""
    return (rewards - rewards.mean()) / (rewards.std() + 1e-8)


def returns(rewards: Tensor, gamma: float) -> Tensor:
    """Discounted sums of the rewards to come; (time, episodes)."""
    sums, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        sums[t] = following
    return sums


def baseline(observations: Tensor, targets: Tensor) -> Tensor:
    """Predictions of a ridge regression fitted to `targets` (time, episodes); observations (time, episodes, size)."""
    steps, episodes = targets.shape
    rows = []
    for t in range(steps):
        tau = t / 100
        for b in range(episodes):
            seen = observations[t, b]
            rows.append(torch.cat([seen, seen**2, torch.tensor([tau, tau**2, tau**3, 1.0])]))
    x = torch.stack(rows)
    weights = torch.linalg.solve(x.T @ x + 1e-5 * torch.eye(x.shape[1]), x.T @ targets.flatten())
    return (x @ weights).view(steps, episodes)


# The dynamics model (card 5.5)


def transitions(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """(observation, action) and the next observation; (tasks, time - 1, episodes, size) each."""
    return torch.cat([episodes.observations, episodes.actions], dim=-1)[:, :-1], episodes.observations[:, 1:]


def information(setting: Setting, state: State, episodes: Episodes, before: list[Experience], name: str) -> Tensor:
    """Intrinsic rewards as they are, (tasks, time, episodes), from the dynamics model adapted on `before`."""
    model, step_size = setting.model, setting.config.dyn_lr
    inputs, targets = transitions(episodes)
    batches = [transitions(experience.episodes) for experience in before]
    noises = [setting.minibatch_noise(f"{name} dynamics {step}", batch[0]) for step, batch in enumerate(batches)]
    start = state["dynamics"].clone().requires_grad_()
    own = [dynamics.adapted(model, start, batches, k, step_size, noises).detach() for k in range(len(inputs))]
    noise = setting.noise(f"{name} bonus", *inputs.shape[:3], model.samples)
    return exploration.intrinsic_rewards(model, torch.stack(own), inputs, targets, noise, step_size)


def learn_dynamics(setting: Setting, state: State, batch: MetaBatch) -> tuple[State, dict[str, float]]:
    """The new dynamics model with its running sum of gradients, and its errors before and after adaptation."""
    config, model = setting.config, setting.model
    train = [transitions(experience.episodes) for experience in batch.train]
    valid = transitions(batch.valid.episodes)
    tasks = len(valid[0])
    weights, gradient = state["dynamics"], state["dynamics_gradient"]
    old_error = prediction_error(setting, [weights] * tasks, train[0], "old error")
    own: list[Tensor] = []
    for update in range(config.dyn_first_updates if setting.draw.iteration == 0 else 1):
        inner = [
            setting.minibatch_noise(f"dynamics {update} inner {step}", inputs) for step, (inputs, _) in enumerate(train)
        ]
        outer = setting.noise(f"dynamics {update} outer", tasks, 1, model.samples)
        fresh = dynamics.meta_gradient(model, weights, train, valid, config.dyn_lr, inner, outer)
        gradient = gradient + fresh if config.dynamics_gradients == "accumulated" else fresh
        start = weights.clone().requires_grad_()
        own = [dynamics.adapted(model, start, train, k, config.dyn_lr, inner).detach() for k in range(tasks)]
        weights = after_new_adam(weights, gradient, config.dyn_fast_lr * tasks**2)
    new_error = prediction_error(setting, own, train[0], "new error")
    errors = {"loss/dynamics_old_mse": old_error, "loss/dynamics_new_mse": new_error}
    return {"dynamics": weights, "dynamics_gradient": gradient}, errors


def after_new_adam(weights: Tensor, gradient: Tensor, step_size: float) -> Tensor:
    """One step of an optimiser that is made for it."""
    leaf = weights.clone().requires_grad_()
    leaf.grad = gradient.clone()
    torch.optim.Adam([leaf], lr=step_size).step()
    return leaf.detach()


def prediction_error(setting: Setting, own: list[Tensor], batch: tuple[Tensor, Tensor], purpose: str) -> float:
    """Mean squared error of one noisy prediction per task; own: its parameters, batch: `transitions`."""
    noise, errors = setting.noise(purpose, len(own), 1, 1), []
    for k, weights in enumerate(own):
        inputs, targets = (part[k].flatten(0, 1) for part in batch)
        predicted = dynamics.predict(setting.model.layout, weights, inputs, [layer[k, 0, 0] for layer in noise])
        errors.append(((predicted - targets) ** 2).mean())
    return float(torch.stack(errors).mean())


# The policy and eta (card 5.4, 5.6)


def moved_eta(eta: Tensor, gradient: Tensor, step_size: float) -> Tensor:
    """One step of eta, at most 0.3 long."""
    return eta - torch.clamp(gradient * step_size / torch.sigmoid(eta), -0.3, 0.3)


def learn_policy(
    setting: Setting, policy: Tensor, batch: MetaBatch, eta: Tensor | None
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Outer gradient, new parameters and metrics; the line search rebuilds its rewards with `eta` where given."""
    config = setting.config
    learner = maml.Learner(setting.policy, batch, config.fast_lr, config.first_order)
    if isinstance(config, EMamlConfig):
        learner = e_maml.EMamlLearner(
            setting.policy, batch, config.fast_lr, config.first_order, config.exploration_credit,
            config.line_search_tasks,
        )  # fmt: skip
    step = learner.natural_step(policy, config.max_kl, config.cg_damping, config.cg_iters)
    *train, valid = [
        experience.advantages
        if eta is None
        else torch.stack(
            [maml.rebuilt(experience, k, eta, config.gamma, config.gae_lambda) for k in range(learner.tasks)]
        )
        for experience in [*batch.train, batch.valid]
    ]
    pairs = [(experience.episodes, values) for experience, values in zip(batch.train, train, strict=True)]
    found, loss, kl, tried = learner.line_search(
        policy, step, pairs, valid, config.max_kl, config.ls_backtrack_ratio, config.ls_max_steps
    )
    metrics = {"loss/policy": loss, "loss/kl": kl, "train/line_search_steps": tried}
    return learner.gradient(policy), found, metrics
