"""The agents: how they collect a meta-batch and what they learn from it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mime.adaptation import adapt
from mime.config import MamlConfig, MimeConfig
from mime.dynamics import (
    CHUNK,
    DynamicsModel,
    Noise,
    adapt_dynamics,
    first_adam_step,
    meta_gradient,
    prediction_error,
    transitions,
)
from mime.envs import BatchedEnvironment
from mime.exploration import intrinsic_rewards
from mime.networks import dynamics_layout, initial_dynamics, initial_policy, policy_layout
from mime.objectives import (
    baseline_features,
    baseline_values,
    discounted_returns,
    fitted_baseline,
    generalised_advantages,
    initial_eta,
    mixed_rewards,
    normalised,
    standardised,
    updated_eta,
)
from mime.rollout import Episodes, rows, sample
from mime.streams import Streams, generator
from mime.surrogate import Experience, MetaBatch, MetaObjective
from mime.trpo import Searched, line_search, natural_step


class MamlAgent:
    """MAML with TRPO: one policy that a gradient step adapts to a task (card 5.1-5.4)."""

    def __init__(
        self, config: MamlConfig, observation_size: int, action_size: int, seed: int, device: str = "cpu"
    ) -> None:
        self.config, self.device = config, device
        self.observation_size, self.action_size = observation_size, action_size
        self.layout = policy_layout(observation_size, config.hidden_sizes, action_size)
        self.policy = initial_policy(self.layout, generator(seed, 0, "policy")).to(device)

    # Acting

    def explores(self, iteration: int) -> bool:
        """Whether the rewards of this training iteration carry an exploration bonus."""
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
        """Intrinsic rewards, (tasks, time, episodes); `before` are the experiences that the task was adapted on."""
        return None

    def judge(self, episodes: Episodes, bonus: Tensor | None) -> Experience:
        """Standardise and mix the rewards, fit the baseline and estimate advantages (card 5.2)."""
        extrinsic = standardised(episodes.rewards)
        intrinsic = None if bonus is None else standardised(bonus)
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
        if state.keys() != self.state().keys():
            raise ValueError(f"the state must hold {', '.join(self.state())}; got {', '.join(state) or 'nothing'}")
        for name, value in state.items():
            setattr(self, name, value.to(self.device))


class MimeAgent(MamlAgent):
    """MIME: a meta-learned Bayesian dynamics model pays for information, eta says how much (card 5.5, 5.6)."""

    config: MimeConfig

    def __init__(
        self, config: MimeConfig, observation_size: int, action_size: int, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(config, observation_size, action_size, seed, device)
        layout = dynamics_layout(observation_size, config.dyn_hidden, action_size)
        chunk = {"chunks": CHUNK, "whole": 0}[config.dynamics_batch]
        self.model = DynamicsModel(layout, config.dyn_prior_sd, config.dyn_likelihood_sd, config.dyn_samples, chunk)
        self.dynamics = initial_dynamics(layout, config.dyn_prior_sd, generator(seed, 0, "dynamics")).to(device)
        self.dynamics_gradient = torch.zeros_like(self.dynamics)
        self.eta = initial_eta(config.eta).to(device)

    def explores(self, iteration: int) -> bool:
        return iteration > self.config.pre_epochs

    def bonus(self, episodes: Episodes, before: list[Experience], draw: Streams, purpose: str) -> Tensor:
        inputs, targets = transitions(episodes)
        parameters = self.dynamics.expand(len(inputs), -1)
        for step, experience in enumerate(before):
            batch = transitions(experience.episodes)
            noise = self.minibatch_noise(draw, f"{purpose} dynamics {step}", batch[0])
            parameters = adapt_dynamics(self.model, parameters, batch, noise, self.config.dyn_lr)
        noise = self.noise(draw, f"{purpose} bonus", *inputs.shape[:3], self.model.samples)
        return intrinsic_rewards(self.model, parameters, inputs, targets, noise, self.config.dyn_lr)

    def learning_rewards(self, extrinsic: Tensor, intrinsic: Tensor | None) -> Tensor:
        return extrinsic if intrinsic is None else mixed_rewards(extrinsic, intrinsic, self.eta)

    def update(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        metrics = self.update_dynamics(batch, draw)
        objective = self.objective(batch)
        if batch.valid.intrinsic is None:
            return metrics | self.improve_policy(objective, objective.advantages)
        eta = updated_eta(self.eta, self.eta_gradient(objective), self.config.eta_lr)
        if self.config.eta_update == "before_policy":  # ledger 4
            self.eta = eta
            rebuilt = [self.rebuilt_advantages(experience, eta) for experience in [*batch.train, batch.valid]]
            return metrics | self.improve_policy(objective, (rebuilt[:-1], rebuilt[-1]))
        metrics |= self.improve_policy(objective, objective.advantages)
        self.eta = eta
        return metrics

    def rebuilt_advantages(self, experience: Experience, eta: Tensor) -> Tensor:
        """Advantages with another eta; the baseline stays the one fitted at sampling (card 5.6)."""
        assert experience.intrinsic is not None
        return self.advantages(mixed_rewards(experience.extrinsic, experience.intrinsic, eta), experience.values)

    def eta_gradient(self, objective: MetaObjective) -> Tensor:
        """Gradient of the extrinsic objective after adaptation with respect to eta, through the inner loop; scalar."""
        eta = self.eta.detach().requires_grad_()
        with torch.no_grad():
            pulls = objective.extrinsic_advantage_gradients()
        advantages = [self.rebuilt_advantages(experience, eta) for experience in objective.batch.train]
        (gradient,) = torch.autograd.grad(advantages, eta, pulls)
        return gradient

    def update_dynamics(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        """Meta-learn the dynamics model: many updates in the first iteration, one in every other (card 5.5)."""
        config, model = self.config, self.model
        train = [transitions(experience.episodes) for experience in batch.train]
        valid = transitions(batch.valid.episodes)
        tasks = len(valid[0])
        old_error = self.error(self.dynamics.expand(tasks, -1), train[0], draw, "old error")
        step_size = config.dyn_fast_lr * tasks**2
        adapted = self.dynamics
        for update in range(config.dyn_first_updates if draw.iteration == 0 else 1):

            def fresh(purpose: str, chunks: int, update: int = update) -> Noise:
                return self.noise(draw, f"dynamics {update} {purpose}", tasks, chunks, model.samples)

            gradient, adapted = meta_gradient(model, self.dynamics, train, valid, config.dyn_lr, fresh)
            keeps = config.dynamics_gradients == "accumulated"  # ledger 1
            self.dynamics_gradient = self.dynamics_gradient + gradient if keeps else gradient
            self.dynamics = self.dynamics + first_adam_step(self.dynamics_gradient, step_size)
        new_error = self.error(adapted, train[0], draw, "new error")
        return {"loss/dynamics_old_mse": old_error, "loss/dynamics_new_mse": new_error}

    @torch.no_grad()
    def error(self, parameters: Tensor, batch: tuple[Tensor, Tensor], draw: Streams, purpose: str) -> float:
        """Mean squared error of the dynamics model on transitions, with one draw of its weights per task."""
        return prediction_error(self.model, parameters, batch, self.noise(draw, purpose, len(batch[0]), 1, 1))

    def minibatch_noise(self, draw: Streams, purpose: str, inputs: Tensor) -> Noise:
        """Noise of the inner loss on `inputs` (tasks, time, episodes, size)."""
        return self.noise(draw, purpose, len(inputs), self.model.chunks_of(rows(inputs).shape[1]), self.model.samples)

    def noise(self, draw: Streams, purpose: str, *leading: int) -> Noise:
        """Standard normal numbers for each layer of the dynamics model: (*leading, units)."""
        shapes = self.model.noise_shapes(*leading)
        return [draw.normal(f"{purpose} layer {layer}", *shape) for layer, shape in enumerate(shapes)]

    def statistics(self, batch: MetaBatch) -> dict[str, float]:
        before, after = batch.train[0], batch.valid
        return super().statistics(batch) | {
            "train/intrinsic_return": before.intrinsic_return,
            "train/adapted_intrinsic_return": after.intrinsic_return,
            "train/combined_return": before.combined_return,
            "train/adapted_combined_return": after.combined_return,
            "train/eta": float(self.eta.sigmoid()),
        }

    def state(self) -> dict[str, Tensor]:
        learnt = {"dynamics": self.dynamics, "dynamics_gradient": self.dynamics_gradient, "eta": self.eta}
        return super().state() | learnt


AGENTS: dict[type[MamlConfig], type[MamlAgent]] = {MamlConfig: MamlAgent, MimeConfig: MimeAgent}


def make_agent(
    config: MamlConfig, observation_size: int, action_size: int, seed: int, device: str = "cpu"
) -> MamlAgent:
    """The agent that a config belongs to."""
    return AGENTS[type(config)](config, observation_size, action_size, seed, device)
