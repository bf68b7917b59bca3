"""MAML with TRPO, one task after another, every derivative by autograd."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import linear

from mime.networks import Layout
from mime.rollout import Episodes
from mime.surrogate import Experience, MetaBatch


def policy(layout: Layout, parameters: Tensor, observations: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (rows, actions) and log standard deviations (actions,) of one task's policy, as the card writes it."""
    named = layout.unflatten(parameters)
    values, number = observations, 1
    while f"layer{number}.weight" in named:
        values = torch.tanh(linear(values, named[f"layer{number}.weight"], named[f"layer{number}.bias"]))
        number += 1
    return linear(values, named["mu.weight"], named["mu.bias"]), named["sigma"].clamp(min=math.log(1e-6))


def distribution(layout: Layout, parameters: Tensor, observations: Tensor) -> Independent:
    mean, log_sd = policy(layout, parameters, observations)
    return Independent(Normal(mean, log_sd.exp().expand_as(mean), validate_args=False), 1, validate_args=False)


def of_task(episodes: Episodes, task: int) -> tuple[Tensor, Tensor]:
    """Observations and actions of one task, (time x episodes, size)."""
    return episodes.observations[task].flatten(0, 1), episodes.actions[task].flatten(0, 1)


def inner_loss(layout: Layout, parameters: Tensor, episodes: Episodes, advantages: Tensor, task: int) -> Tensor:
    observations, actions = of_task(episodes, task)
    log_probability = distribution(layout, parameters, observations).log_prob(actions)
    return -(log_probability * advantages[task].flatten()).mean()


def adapted(
    layout: Layout,
    parameters: Tensor,
    train: list[tuple[Episodes, Tensor]],
    task: int,
    fast_lr: float,
    first_order: bool,
) -> Tensor:
    """Parameters after one gradient step per (episodes, advantages), differentiable in `parameters`."""
    for episodes, advantages in train:
        loss = inner_loss(layout, parameters, episodes, advantages, task)
        (gradient,) = torch.autograd.grad(loss, parameters, create_graph=True)
        parameters = parameters - fast_lr * (gradient.detach() if first_order else gradient)
    return parameters


class Learner:
    """The outer objective of one iteration, with the old policies taken at `parameters`."""

    def __init__(self, layout: Layout, batch: MetaBatch, fast_lr: float, first_order: bool = False) -> None:
        self.layout, self.batch, self.fast_lr, self.first_order = layout, batch, fast_lr, first_order
        self.tasks = len(batch.valid.advantages)
        self.train = [(experience.episodes, experience.advantages) for experience in batch.train]

    def distributions(self, parameters: Tensor, train: list[tuple[Episodes, Tensor]]) -> list[Independent]:
        """The adapted policy of each task on its valid data."""
        return [
            distribution(
                self.layout,
                adapted(self.layout, parameters, train, task, self.fast_lr, self.first_order),
                of_task(self.batch.valid.episodes, task)[0],
            )
            for task in range(self.tasks)
        ]

    def loss_and_kl(
        self, parameters: Tensor, old: Tensor, train: list[tuple[Episodes, Tensor]], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean surrogate loss and mean KL divergence at `parameters`, with old policies from `old`."""
        losses, divergences = [], []
        new_policies = self.distributions(parameters, train)
        old_policies = self.distributions(old.detach().clone().requires_grad_(), self.train)
        for task, (new, before) in enumerate(zip(new_policies, old_policies, strict=True)):
            _, actions = of_task(self.batch.valid.episodes, task)
            before = Independent(Normal(before.mean.detach(), before.stddev.detach()), 1)
            ratio = torch.exp(new.log_prob(actions) - before.log_prob(actions))
            losses.append(-(ratio * valid[task].flatten()).mean())
            divergences.append(kl_divergence(new, before).mean())
        return torch.stack(losses).mean(), torch.stack(divergences).mean()

    def judged(
        self, candidate: Tensor, old: Tensor, train: list[tuple[Episodes, Tensor]], valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss and the divergence that the line search sees."""
        return self.loss_and_kl(candidate, old, train, valid)

    def gradient(self, parameters: Tensor) -> Tensor:
        parameters = parameters.detach().clone().requires_grad_()
        loss, _ = self.loss_and_kl(parameters, parameters, self.train, self.batch.valid.advantages)
        return torch.autograd.grad(loss, parameters)[0]

    def kl_hessian_product(self, parameters: Tensor, vector: Tensor, damping: float) -> Tensor:
        parameters = parameters.detach().clone().requires_grad_()
        _, kl = self.loss_and_kl(parameters, parameters, self.train, self.batch.valid.advantages)
        (gradient,) = torch.autograd.grad(kl, parameters, create_graph=True)
        return torch.autograd.grad(gradient @ vector, parameters)[0] + damping * vector

    def step(
        self, parameters: Tensor, max_kl: float, damping: float, iterations: int, ratio: float, most: int
    ) -> Tensor:
        """One TRPO update; returns the new parameters."""
        step = self.natural_step(parameters, max_kl, damping, iterations)
        return self.line_search(parameters, step, self.train, self.batch.valid.advantages, max_kl, ratio, most)[0]

    def natural_step(self, parameters: Tensor, max_kl: float, damping: float, iterations: int) -> Tensor:
        """The longest step that the line search tries, (parameters,)."""
        gradient = self.gradient(parameters)
        x, r, p = torch.zeros_like(gradient), gradient.clone(), gradient.clone()
        for _ in range(iterations):
            if r @ r < 1e-10:
                break
            image = self.kl_hessian_product(parameters, p, damping)
            alpha = (r @ r) / (p @ image)
            x, r_new = x + alpha * p, r - alpha * image
            p, r = r_new + (r_new @ r_new) / (r @ r) * p, r_new
        half_curvature = 0.5 * x @ self.kl_hessian_product(parameters, x, damping)
        return x / torch.sqrt(half_curvature / max_kl)

    def line_search(
        self, parameters: Tensor, step: Tensor, train: list[tuple[Episodes, Tensor]], valid: Tensor,
        max_kl: float, ratio: float, most: int,
    ) -> tuple[Tensor, float, float, int]:  # fmt: skip
        """New parameters, their loss and KL divergence, and the number of candidates tried.

        The candidates are judged by the advantages in `train` and `valid`, the old loss by this learner's own.
        """
        start = parameters.clone().requires_grad_()
        old_loss, _ = self.loss_and_kl(start, parameters, self.train, self.batch.valid.advantages)
        for k in range(most):
            candidate = (parameters - ratio**k * step).detach().requires_grad_()
            loss, kl = self.judged(candidate, parameters, train, valid)
            if loss < old_loss and kl < max_kl:
                return candidate.detach(), float(loss.detach()), float(kl.detach()), k + 1
        return parameters, float(old_loss.detach()), 0.0, most


def gradient_and_product(
    layout: Layout, parameters: Tensor, batch: MetaBatch, fast_lr: float, vector: Tensor, damping: float
) -> tuple[Tensor, Tensor]:
    """The outer gradient and one product with the damped Hessian of the mean KL divergence."""
    learner = Learner(layout, batch, fast_lr)
    return learner.gradient(parameters), learner.kl_hessian_product(parameters, vector, damping)


def advantages(rewards: Tensor, values: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Normalised generalised advantages of one task; all (time, episodes)."""
    steps, episodes = rewards.shape
    columns = []
    for b in range(episodes):
        column, following, next_value = [], torch.zeros(()), torch.zeros(())
        for t in reversed(range(steps)):
            following = rewards[t, b] + gamma * next_value - values[t, b] + gamma * gae_lambda * following
            next_value = values[t, b]
            column.insert(0, following)
        columns.append(torch.stack(column))
    raw = torch.stack(columns, dim=1)
    centred = raw - raw.mean(0).mean()
    return centred / (centred.square().mean(0).mean().sqrt() + 1e-8)


def mixed(extrinsic: Tensor, intrinsic: Tensor, eta: Tensor) -> Tensor:
    """The rewards that the losses see, from the two standardised ones; all of one shape."""
    share = torch.sigmoid(eta)
    return (1.05 - share) * extrinsic + (share + 0.05) * intrinsic


def rebuilt(experience: Experience, task: int, eta: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Advantages of one task with another eta, differentiable in it; (time, episodes)."""
    assert experience.intrinsic is not None
    rewards = mixed(experience.extrinsic[task], experience.intrinsic[task], eta)
    return advantages(rewards, experience.values[task], gamma, gae_lambda)


def eta_gradient(
    layout: Layout, parameters: Tensor, batch: MetaBatch, eta: Tensor, fast_lr: float, gamma: float, gae_lambda: float
) -> Tensor:
    """Gradient of -mean of ratio times extrinsic reward after adaptation, the rewards rebuilt with eta attached."""
    eta = eta.detach().clone().requires_grad_()
    objectives = []
    for task in range(len(batch.valid.advantages)):
        theta = parameters.detach().clone().requires_grad_()
        for experience in batch.train:
            of_this = rebuilt(experience, task, eta, gamma, gae_lambda)
            loss = inner_loss(layout, theta, experience.episodes, {task: of_this}, task)  # type: ignore[arg-type]
            (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
            theta = theta - fast_lr * gradient
        observations, actions = of_task(batch.valid.episodes, task)
        log_probability = distribution(layout, theta, observations).log_prob(actions)
        ratio = torch.exp(log_probability - log_probability.detach())
        objectives.append(-(ratio * batch.valid.extrinsic[task].flatten()).mean())
    return torch.autograd.grad(torch.stack(objectives).mean(), eta)[0]
