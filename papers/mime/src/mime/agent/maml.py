"""MAML: how a meta-batch is collected and judged, and what the policy learns from it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mime.adaptation import adapt
from mime.config import MamlConfig
from mime.envs import BatchedEnvironment
from mime.networks import initial_policy, policy_layout
from mime.objectives import (
    baseline_features,
    baseline_values,
    discounted_returns,
    fitted_baseline,
    generalised_advantages,
    normalised,
    standardised,
)
from mime.rollout import Episodes, sample
from mime.streams import Streams, WeightStreams
from mime.surrogate import Experience, MetaBatch, MetaObjective
from mime.trpo import Searched, line_search, natural_step


class MamlAgent:
    """MAML with TRPO: one policy that a gradient step adapts to a task (card 5.1-5.4)."""

    def __init__(
        self,
        config: MamlConfig,
        observation_size: int,
        action_size: int,
        seed: int,
        device: str = "cpu",
        dynamics_size: int | None = None,
    ) -> None:
        """`dynamics_size`: how many of the observation's leading numbers a dynamics model sees; None for all."""
        self.config, self.device = config, device
        self.observation_size, self.action_size = observation_size, action_size
        self.dynamics_size = dynamics_size or observation_size
        self.layout = policy_layout(observation_size, config.hidden_sizes, action_size)
        self.weight_streams = WeightStreams(seed, config.initial_weights)
        stream = self.weight_streams.of("policy")
        self.policy = initial_policy(self.layout, stream, self.weight_streams.released).to(device)

    # Acting

    def explores(self, iteration: int | None) -> bool:
        """Whether the rewards of this training iteration, or of a test (None), carry anything of `bonus`."""
        return False

    @torch.no_grad()
    def collect(
        self, environment: BatchedEnvironment, tasks: int, episodes: int, draw: Streams, steps: int, exploring: bool
    ) -> MetaBatch:
        """Sample, adapt, sample again; `steps` inner steps, each on `episodes` fresh episodes per task."""
        shape = tasks, environment.horizon, episodes, self.action_size
        parameters = self.policy.expand(tasks, -1)
        train: list[Experience] = []
        for step in range(steps):
            played = sample(environment, self.layout, parameters, draw.normal(f"train {step} actions", *shape))
            bonus = self.bonus(played, [], draw, f"train {step}") if exploring else None
            train.append(self.judge(played, bonus))
            parameters = adapt(self.layout, parameters, [(played, train[-1].advantages)], self.config.fast_lr).adapted
        played = sample(environment, self.layout, parameters, draw.normal("valid actions", *shape))
        bonus = self.bonus(played, train, draw, "valid") if exploring else None
        return MetaBatch(train, self.judge(played, bonus))

    def bonus(self, episodes: Episodes, before: list[Experience], draw: Streams, purpose: str) -> Tensor | None:
        """What is added to the environment's rewards, (tasks, time, episodes).

        `before` are the experiences that the task was adapted on.
        """
        return None

    def judge(self, episodes: Episodes, bonus: Tensor | None) -> Experience:
        """Standardise and mix the rewards, fit the baseline and estimate advantages (card 5.2)."""
        extrinsic = standardised(episodes.rewards)
        intrinsic = None if bonus is None else self.scaled(bonus)
        rewards = self.learning_rewards(extrinsic, intrinsic)
        features = baseline_features(episodes.observations)
        weights = fitted_baseline(features, discounted_returns(rewards, self.config.gamma))
        values = baseline_values(features, weights)
        return Experience(
            episodes,
            extrinsic,
            intrinsic,
            values,
            self.advantages(rewards, values),
            intrinsic_return=0.0 if bonus is None else float(bonus.sum(1).mean()),
            combined_return=0.0 if bonus is None else float(rewards.sum(1).mean()),
        )

    def scaled(self, bonus: Tensor) -> Tensor:
        """The bonus on the scale of the standardised rewards; both (tasks, time, episodes)."""
        return standardised(bonus)

    def learning_rewards(self, extrinsic: Tensor, intrinsic: Tensor | None) -> Tensor:
        """The rewards that the losses see, (tasks, time, episodes)."""
        return extrinsic

    def advantages(self, rewards: Tensor, values: Tensor) -> Tensor:
        """Normalised advantages; all (tasks, time, episodes)."""
        return normalised(generalised_advantages(rewards, values, self.config.gamma, self.config.gae_lambda))

    # Updating

    def update(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        """One meta-update of everything that is learnt; returns metrics."""
        objective = self.objective(batch)
        return self.improve_policy(objective, objective.advantages)

    @torch.no_grad()
    def objective(self, batch: MetaBatch) -> MetaObjective:
        """The meta-objective at the present parameters."""
        return MetaObjective(self.layout, self.policy, batch, self.config.fast_lr, self.config.first_order)

    @torch.no_grad()
    def improve_policy(self, objective: MetaObjective, advantages: tuple[list[Tensor], Tensor]) -> dict[str, float]:
        """One trust-region step; the line search sees `advantages` of training and adapted episodes."""
        config = self.config
        step = natural_step(
            lambda vector: objective.kl_hessian_product(vector, config.cg_damping),
            objective.gradient(),
            config.cg_iters,
            config.max_kl,
        )
        searched: Searched = line_search(
            lambda candidate: objective.evaluate(candidate, advantages),
            self.policy,
            step,
            objective.old_loss,
            config.max_kl,
            config.ls_backtrack_ratio,
            config.ls_max_steps,
        )
        self.policy = searched.parameters
        return {
            "loss/policy": searched.loss,
            "loss/kl": searched.kl,
            "train/line_search_steps": searched.tried,
            "train/policy_updated": float(searched.accepted),
        }

    def statistics(self, batch: MetaBatch) -> dict[str, float]:
        """Metrics of a batch before and after adaptation."""
        before, after = batch.train[0].episodes.statistics(), batch.valid.episodes.statistics()
        return {f"train/{name}": value for name, value in before.items()} | {
            f"train/adapted_{name}": value for name, value in after.items()
        }

    # What a checkpoint and the result files hold

    def state(self) -> dict[str, Tensor]:
        """Everything that is learnt, by name."""
        return {"policy": self.policy}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned; raises ValueError where it is not this agent's."""
        own = self.state()
        if state.keys() != own.keys():
            raise ValueError(f"the state must hold {', '.join(own)}; got {', '.join(state) or 'nothing'}")
        for name, value in state.items():
            if value.shape != own[name].shape:
                raise ValueError(f"{name} has {value.numel():,} numbers, not {own[name].numel():,}")
        for name, value in state.items():
            setattr(self, name, value.to(self.device))
