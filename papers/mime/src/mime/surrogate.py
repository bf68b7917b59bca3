"""The meta-objective of one iteration: the surrogate loss and the KL divergence of the adapted policies (card 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from mime.adaptation import Adaptation, adapt, inner_loss
from mime.curvature import PolicyPass, WeightedLogProbability
from mime.networks import Layout, policy_log_sd, policy_mean
from mime.objectives import action_log_probability, gaussian_kl, surrogate_loss
from mime.rollout import Episodes, rows


@dataclass(frozen=True)
class Experience:
    """The episodes of one phase with what the policy learns from them; all (tasks, time, episodes)."""

    episodes: Episodes
    extrinsic: Tensor
    """Standardised rewards of the environment."""
    intrinsic: Tensor | None
    """What is mixed with them, on their scale: intrinsic rewards, or noise; None where there is nothing."""
    values: Tensor
    """Baseline, fitted on these very episodes."""
    advantages: Tensor
    """Normalised, with eta as it was at sampling."""
    intrinsic_return: float = 0.0
    """Mean over episodes of the summed information gain, nats."""
    combined_return: float = 0.0
    """Mean over episodes of the summed mixed reward."""


@dataclass(frozen=True)
class MetaBatch:
    """One iteration's data: training episodes for each inner step, and the adapted policies' episodes."""

    train: list[Experience]
    valid: Experience

    @property
    def env_steps(self) -> int:
        """Environment interactions in the batch."""
        return sum(experience.episodes.env_steps for experience in [*self.train, self.valid])


class MetaObjective:
    """The surrogate loss at `parameters`, its gradient and the Hessian of the KL divergence, over all tasks.

    parameters: (parameters,). The old policies are the ones adapted from these very parameters.
    """

    def __init__(self, layout: Layout, parameters: Tensor, batch: MetaBatch, fast_lr: float, first_order: bool) -> None:
        self.layout, self.batch, self.tasks = layout, batch, len(batch.valid.advantages)
        self.fast_lr, self.first_order = fast_lr, first_order
        self.advantages = [experience.advantages for experience in batch.train], batch.valid.advantages
        self.adaptation = self.adapt(parameters, self.advantages[0])
        self.loss = inner_loss(layout, self.adaptation.adapted, batch.valid.episodes, batch.valid.advantages)
        self.old = self.loss.policy
        self.old_log_probability = action_log_probability(self.old.mean, self.old.log_sd, self.actions)
        self.old_loss = -batch.valid.advantages.mean()

    @property
    def actions(self) -> Tensor:
        """Actions after adaptation, (tasks, rows, size)."""
        return rows(self.batch.valid.episodes.actions)

    def adapt(self, parameters: Tensor, advantages: list[Tensor]) -> Adaptation:
        """The inner loop of every task from `parameters` (parameters,)."""
        batches = [(step.episodes, values) for step, values in zip(self.batch.train, advantages, strict=True)]
        return adapt(self.layout, parameters.expand(self.tasks, -1), batches, self.fast_lr, self.first_order)

    def gradient(self) -> Tensor:
        """Of the mean surrogate loss, through the adaptation: (parameters,)."""
        return self.adaptation.backward(self.loss.gradient()).mean(0)

    def kl_hessian_product(self, vector: Tensor, damping: float) -> Tensor:
        """Damped Hessian of the mean KL divergence times `vector`; both (parameters,).

        The divergence and its gradient vanish here, so the Hessian is J' F J per task with the Fisher matrix F of the
        adapted policy and J, how the adapted parameters depend on the initial ones.
        """
        fisher = self.old.fisher_vector_product(self.adaptation.forward(vector.expand(self.tasks, -1)))
        return self.adaptation.backward(fisher).mean(0) + damping * vector

    def extrinsic_advantage_gradients(self) -> list[Tensor]:
        """Gradients of the extrinsic objective after adaptation with respect to the training advantages.

        The objective is -mean of ratio times standardised extrinsic reward, averaged over tasks (card 5.6). Returns
        (tasks, time, episodes) for each inner step.
        """
        rewards = rows(self.batch.valid.extrinsic)
        objective = WeightedLogProbability(self.old, self.actions, rewards).gradient() / self.tasks
        gradients = self.adaptation.advantage_gradients(objective)
        return [
            gradient.view_as(experience.advantages)
            for gradient, experience in zip(gradients, self.batch.train, strict=True)
        ]

    def evaluate(self, parameters: Tensor, advantages: tuple[list[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Mean surrogate loss and mean KL divergence of candidate `parameters` (parameters,), values only."""
        train, valid = advantages
        losses, divergences = self.evaluate_tasks(self.adapt(parameters, train), valid)
        return losses.mean(), divergences.mean()

    def evaluate_tasks(self, adaptation: Adaptation, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Surrogate loss and KL divergence of each task after `adaptation`, (tasks,)."""
        mean = policy_mean(self.layout, adaptation.adapted, rows(self.batch.valid.episodes.observations))
        log_sd = policy_log_sd(self.layout, adaptation.adapted)
        log_probability = action_log_probability(mean, log_sd, self.actions)
        losses = surrogate_loss(log_probability, self.old_log_probability, rows(valid))
        return losses, gaussian_kl(mean, log_sd, self.old.mean, self.old.log_sd)


class EMamlObjective(MetaObjective):
    """The meta-objective of E-MAML: training actions are credited with what comes after adaptation (card 5.7).

    To each task's surrogate loss comes, for every inner step, -mean of the training actions' probability ratio times
    their credit. The trust region stays on the adapted policies alone.
    """

    def __init__(
        self,
        layout: Layout,
        parameters: Tensor,
        batch: MetaBatch,
        fast_lr: float,
        first_order: bool,
        credit: Literal["paired", "return"],
        line_search_tasks: Literal["first", "all"],
    ) -> None:
        super().__init__(layout, parameters, batch, fast_lr, first_order)
        self.line_search_tasks = line_search_tasks
        self.credit = rows(batch.valid.advantages if credit == "paired" else post_update_returns(batch))
        self.credited = [
            WeightedLogProbability(
                PolicyPass(layout, step.parameters, rows(experience.episodes.observations)),
                rows(experience.episodes.actions),
                self.credit,
            )
            for step, experience in zip(self.adaptation.steps, batch.train, strict=True)
        ]
        self.old_train = self.train_log_probabilities(self.adaptation)
        self.old_loss = self.old_loss - len(batch.train) * self.credit.mean()

    def gradient(self) -> Tensor:
        gradient = self.loss.gradient()
        for step, credited in zip(reversed(self.adaptation.steps), reversed(self.credited), strict=True):
            gradient = self.adaptation.backward_step(step, gradient) + credited.gradient()
        return gradient.mean(0)

    def evaluate(self, parameters: Tensor, advantages: tuple[list[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        train, valid = advantages
        adaptation = self.adapt(parameters, train)
        losses, divergences = self.evaluate_tasks(adaptation, valid)
        for new, old in zip(self.train_log_probabilities(adaptation), self.old_train, strict=True):
            losses = losses + surrogate_loss(new, old, self.credit)
        if self.line_search_tasks == "first":  # ledger 18
            return losses[0] / self.tasks, divergences[0] / self.tasks
        return losses.mean(), divergences.mean()

    def train_log_probabilities(self, adaptation: Adaptation) -> list[Tensor]:
        """log pi(a|s) of each inner step's training actions under that step's parameters: (tasks, rows) each."""
        return [
            action_log_probability(
                policy_mean(self.layout, step.parameters, rows(experience.episodes.observations)),
                policy_log_sd(self.layout, step.parameters),
                rows(experience.episodes.actions),
            )
            for step, experience in zip(adaptation.steps, self.batch.train, strict=True)
        ]


def post_update_returns(batch: MetaBatch) -> Tensor:
    """Each task's mean raw return after adaptation, standardised over tasks: (tasks, time, episodes), constant in
    time and episodes.

    Source: Stadie et al. 2018, the exploration term. Centring it is a baseline; the scale is that of the advantages.
    """
    returns = batch.valid.episodes.returns().mean(1)
    deviation = returns - returns.mean()
    scaled = deviation / (deviation.square().mean().sqrt() + 1e-8)
    return scaled[:, None, None].expand_as(batch.valid.advantages)
